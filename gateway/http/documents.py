"""What the gateway says about itself: JSON Schemas, OpenAPI, AsyncAPI; built once, the same for everybody."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.admin import ADMIN_OPERATIONS
from gateway.http.ops import OPS_OPERATIONS
from gateway.http.problems import PROBLEMS, Problem, ProblemCode
from schemas import documents

_SCHEMA_JSON: Final = "application/schema+json"
_JSON: Final = "application/json"

_described = partial(documents.Operation, tag="documents", answer_schema={"type": "object"}, is_secured=False)

DOCUMENT_OPERATIONS: Final = (
    _described(id="listSchemas", path="/schemas/index.json", summary="The JSON Schemas that there are"),
    _described(
        id="showSchema",
        path="/schemas/{name}.json",
        summary="One JSON Schema (2020-12)",
        parameters=(
            documents.Parameter(
                "name", "path", "As in the index.", {"type": "string", "minLength": 1}, required=True
            ),
        ),
        problems=(ProblemCode.NOT_FOUND,),
        content_type=_SCHEMA_JSON,
    ),
    _described(id="showOpenapi", path="/openapi.json", summary="This document"),
    _described(id="showAsyncapi", path="/asyncapi.json", summary="The WebSocket, as AsyncAPI 3.0"),
)


def document_routes(more: Sequence[documents.Operation] = ()) -> list[Route]:
    """Return the routes of all documents; `more` are operations of other doors."""
    problems = {str(code): (row.status, row.title) for code, row in PROBLEMS.items()}
    schemas = documents.json_schemas(problems)
    release = version("mcpx-gateway")
    operations = (*ADMIN_OPERATIONS, *OPS_OPERATIONS, *DOCUMENT_OPERATIONS, *more)
    fixed = {
        "/schemas/index.json": _Document(documents.schema_index(schemas), _JSON),
        "/openapi.json": _Document(documents.openapi(operations, problems, schemas, release), _JSON),
        "/asyncapi.json": _Document(documents.asyncapi(schemas, release), _JSON),
    }
    by_name = {name: _Document(schema, _SCHEMA_JSON) for name, schema in schemas.items()}

    async def one_schema(request: Request) -> Response:
        document = by_name.get(request.path_params["name"])
        if document is None:
            raise Problem(ProblemCode.NOT_FOUND, "There is no such schema; /schemas/index.json lists them")
        return await document.answer(request)

    return [
        *(Route(path, document.answer) for path, document in fixed.items()),
        Route("/schemas/{name}.json", one_schema),
    ]


class _Document:
    """The bytes of one document, and how a cache knows that they have not changed."""

    def __init__(self, content: Mapping[str, object], content_type: str) -> None:
        self._data = orjson.dumps(content, option=orjson.OPT_INDENT_2)
        self._headers = {
            "Content-Type": content_type,
            "Cache-Control": "no-cache",
            "ETag": f'"{hashlib.sha256(self._data).hexdigest()[:16]}"',
            "X-Content-Type-Options": "nosniff",
        }

    async def answer(self, request: Request) -> Response:
        """Answer a request for it."""
        if request.headers.get("if-none-match") == self._headers["ETag"]:
            return Response(status_code=304, headers=self._headers)
        return Response(self._data, headers=self._headers)
