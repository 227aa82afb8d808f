"""The OpenAPI 3.1 document of the HTTP operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from schemas.documents.components import PREFIX, embedded
from schemas.documents.operations import Operation, Parameter
from schemas.envelope import JsonObject

_SECURITY: Final = "adminToken"
_PROBLEM_JSON: Final = "application/problem+json"
_HEADERS: Final[Mapping[int, JsonObject]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}


def openapi(
    operations: Sequence[Operation],
    problems: Mapping[str, tuple[int, str]],
    schemas: Mapping[str, JsonObject],
    version: str,
) -> JsonObject:
    """
    Describe HTTP operations (OpenAPI 3.1).

    `problems`: status and title of each code; `schemas`: the JSON Schemas by
    name, of which the document carries those that it names.
    """
    names = ("kind", "participant-id", "topic", "problem")
    components = embedded({name: schemas[name] for name in names})
    records = [record for operation in operations for record in (operation.body, operation.answer) if record]
    _, made = msgspec.json.schema_components(records, ref_template=PREFIX + "{name}")
    components |= made
    paths: dict[str, dict[str, JsonObject]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, problems)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "mcpx gateway",
            "version": version,
            "summary": "Admin API and operations of an MCPx gateway.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                _SECURITY: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token with header `typ` of admins; a participant's opens nothing here.",
                }
            },
        },
    }


def _operation(operation: Operation, problems: Mapping[str, tuple[int, str]]) -> JsonObject:
    described: JsonObject = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": _responses(operation, problems),
        "security": [{_SECURITY: []}] if operation.is_secured else [],
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.is_body_required,
            "content": {"application/json": {"schema": _reference(operation.body)}},
        }
    return described


def _parameter(parameter: Parameter) -> JsonObject:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.required,
        "schema": parameter.schema,
    }


def _responses(operation: Operation, problems: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    schema = _reference(operation.answer) if operation.answer is not None else operation.answer_schema
    responses: dict[str, Any] = {
        "200": {"description": "Done", "content": {operation.content_type: {"schema": schema}}}
    }
    by_status: dict[int, list[str]] = {}
    for code in operation.problems:
        by_status.setdefault(problems[code][0], []).append(code)
    for status, codes in sorted(by_status.items()):
        titles = "; ".join(f"`{code}`: {problems[code][1]}" for code in sorted(codes))
        response: JsonObject = {
            "description": titles,
            "content": {_PROBLEM_JSON: {"schema": {"$ref": PREFIX + "Problem"}}},
        }
        if status in _HEADERS:
            response["headers"] = _HEADERS[status]
        responses[str(status)] = response
    return responses | dict(operation.other_answers)


def _reference(record: type[msgspec.Struct]) -> JsonObject:
    return {"$ref": PREFIX + record.__name__}
