"""Documents that the gateway serves about itself: JSON Schemas, OpenAPI, AsyncAPI. Pure builders."""

from schemas.documents.operations import Operation, Parameter

__all__ = ["Operation", "Parameter"]
