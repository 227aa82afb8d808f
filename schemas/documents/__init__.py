"""Documents that the gateway serves about itself: JSON Schemas, OpenAPI, AsyncAPI. Pure builders."""

from schemas.documents.asyncapi import asyncapi
from schemas.documents.json_schemas import DIALECT, KIND_PATTERNS, json_schemas, schema_index
from schemas.documents.openapi import openapi
from schemas.documents.operations import Operation, Parameter

__all__ = [
    "DIALECT",
    "KIND_PATTERNS",
    "Operation",
    "Parameter",
    "asyncapi",
    "json_schemas",
    "openapi",
    "schema_index",
]
