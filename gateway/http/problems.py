"""
How every HTTP door says no: problem+json (RFC 9457).

A problem has a stable `code`; its status and title stand in one table. The
text is for the caller; nothing internal is in it. `type` points to the code's
description in the schema that is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from gateway.errors import AuditUnavailable, BrokerUnavailable
from schemas import McpxError

PROBLEM_JSON: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2
"""What a 503 asks for: about as long as a broker needs to come back."""

log = structlog.get_logger(__name__)


class ProblemCode(StrEnum):
    """`code` of a problem: stable, for machines."""

    INVALID_PARAMETER = "invalid_parameter"
    INVALID_REQUEST = "invalid_request"
    HEAD_TOO_LARGE = "head_too_large"
    HOST_REFUSED = "host_refused"
    TOKEN_MISSING = "token_missing"  # noqa: S105 - a code, no secret
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a code, no secret
    NOT_AN_ADMIN = "not_an_admin"
    BEYOND_OWN_RIGHTS = "beyond_own_rights"
    TOPIC_FORBIDDEN = "topic_forbidden"
    ORIGIN_REFUSED = "origin_refused"
    LOOPBACK_ONLY = "loopback_only"
    NOT_FOUND = "not_found"
    PARTICIPANT_UNKNOWN = "participant_unknown"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    STILL_GRANTED = "still_granted"
    CHANGED_MEANWHILE = "changed_meanwhile"
    TOO_LARGE = "too_large"
    INVALID_BODY = "invalid_body"
    INVALID_PATTERN = "invalid_pattern"
    UPGRADE_REQUIRED = "upgrade_required"
    TOO_MANY_REQUESTS = "too_many_requests"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    REFUSED = "refused"
    INTERNAL = "internal"
    BROKER_UNAVAILABLE = "broker_unavailable"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """What one code means, whatever the occasion."""

    status: int
    title: str


PROBLEMS: Final[Mapping[ProblemCode, ProblemType]] = {
    ProblemCode.INVALID_PARAMETER: ProblemType(400, "A parameter is missing or wrong"),
    ProblemCode.INVALID_REQUEST: ProblemType(400, "This is no HTTP/1.1 request, or no WebSocket handshake"),
    ProblemCode.HEAD_TOO_LARGE: ProblemType(431, "The request line and headers are too large"),
    ProblemCode.HOST_REFUSED: ProblemType(421, "This gateway does not answer under that host name"),
    ProblemCode.TOKEN_MISSING: ProblemType(401, "A bearer token is required"),
    ProblemCode.TOKEN_REFUSED: ProblemType(401, "The token is refused"),
    ProblemCode.NOT_AN_ADMIN: ProblemType(403, "An admin token is required"),
    ProblemCode.BEYOND_OWN_RIGHTS: ProblemType(403, "An admin hands out nothing beyond its own rights"),
    ProblemCode.TOPIC_FORBIDDEN: ProblemType(403, "The token does not name this topic"),
    ProblemCode.ORIGIN_REFUSED: ProblemType(403, "Pages of this origin may not connect"),
    ProblemCode.LOOPBACK_ONLY: ProblemType(403, "Only for callers on the same machine"),
    ProblemCode.NOT_FOUND: ProblemType(404, "Nothing is here"),
    ProblemCode.PARTICIPANT_UNKNOWN: ProblemType(404, "This participant was never here"),
    ProblemCode.METHOD_NOT_ALLOWED: ProblemType(405, "Not with this method"),
    ProblemCode.STILL_GRANTED: ProblemType(409, "Another pattern still grants what is to be removed"),
    ProblemCode.CHANGED_MEANWHILE: ProblemType(412, "It was changed in the meantime"),
    ProblemCode.TOO_LARGE: ProblemType(413, "The request body is too large"),
    ProblemCode.INVALID_BODY: ProblemType(422, "The request body is not as it should be"),
    ProblemCode.INVALID_PATTERN: ProblemType(422, "This is no capability pattern"),
    ProblemCode.UPGRADE_REQUIRED: ProblemType(426, "This address speaks WebSocket"),
    ProblemCode.TOO_MANY_REQUESTS: ProblemType(429, "Too many requests"),
    ProblemCode.TOO_MANY_CONNECTIONS: ProblemType(429, "As many connections as may be are here already"),
    ProblemCode.REFUSED: ProblemType(400, "The request is refused"),
    ProblemCode.INTERNAL: ProblemType(500, "The gateway failed; its log says why"),
    ProblemCode.BROKER_UNAVAILABLE: ProblemType(503, "The store of topics and rights does not answer"),
    ProblemCode.AUDIT_UNAVAILABLE: ProblemType(503, "The audit log cannot be used, so nothing was done"),
    ProblemCode.DRAINING: ProblemType(503, "This node is going away"),
}
"""One row per code."""


class Problem(McpxError):
    """A request that is answered with a problem instead of what it asked for."""

    def __init__(self, code: ProblemCode, detail: str = "", **facts: object) -> None:
        super().__init__(code, detail, facts)
        self.code, self.detail, self.facts = code, detail or PROBLEMS[code].title, facts

    @property
    def status(self) -> int:
        """The HTTP status."""
        return PROBLEMS[self.code].status

    def __str__(self) -> str:
        return self.detail

    def to_json(self) -> dict[str, object]:
        """Return the body's members: the standard ones, `code`, and the facts of this occasion."""
        row = PROBLEMS[self.code]
        return {
            **self.facts,
            "type": f"/schemas/problem.json#{self.code}",
            "title": row.title,
            "status": row.status,
            "detail": self.detail,
            "code": str(self.code),
        }

    @property
    def headers(self) -> dict[str, str]:
        """What the status asks for in the header: how to authenticate, when to try again."""
        headers = {"Cache-Control": "no-store"}
        if self.code is ProblemCode.TOKEN_MISSING:
            headers["WWW-Authenticate"] = "Bearer"
        elif self.code is ProblemCode.TOKEN_REFUSED:
            headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        elif self.status == 426:
            headers |= {"Upgrade": "websocket", "Connection": "Upgrade"}
        elif self.status in {429, 503}:
            headers["Retry-After"] = str(self.facts.get("retry_after_s", RETRY_AFTER_S))
        return headers

    def to_response(self) -> Response:
        """Return the answer; fit for a refused WebSocket handshake too."""
        return Response(
            orjson.dumps(self.to_json(), default=str),
            status_code=self.status,
            headers=self.headers,
            media_type=PROBLEM_JSON,
        )


def unread() -> Mapping[int, tuple[bytes, bytes]]:
    """By status: content type and body for requests that never reach a route (`HttpTransport.refusals`)."""
    problems = (
        Problem(ProblemCode.INVALID_REQUEST),
        Problem(ProblemCode.UPGRADE_REQUIRED, "Only version 13 of WebSocket is spoken here"),
        Problem(ProblemCode.HEAD_TOO_LARGE),
    )
    return {each.status: (PROBLEM_JSON.encode(), orjson.dumps(each.to_json())) for each in problems}


def problem_of(error: Exception) -> Problem:
    """Translate what a route raised; what it does not know is `internal` and tells nothing."""
    match error:
        case Problem():
            return error
        case BrokerUnavailable():
            # Whether a change was made may be unknown, and every route can be asked again.
            return Problem(ProblemCode.BROKER_UNAVAILABLE, "The store does not answer; ask again, it is safe")
        case AuditUnavailable():
            return Problem(ProblemCode.AUDIT_UNAVAILABLE)
        case HTTPException(status_code=404):
            return Problem(ProblemCode.NOT_FOUND)
        case HTTPException(status_code=405):
            return Problem(ProblemCode.METHOD_NOT_ALLOWED)
        case HTTPException(status_code=413):
            return Problem(ProblemCode.TOO_LARGE)
        case HTTPException(status_code=status) if status < 500:
            return Problem(ProblemCode.REFUSED)
        case _:
            return Problem(ProblemCode.INTERNAL)


async def answer(request: Request, error: Exception) -> Response:
    """Answer what a route raised (Starlette's exception handler)."""
    problem = problem_of(error)
    if problem.code is ProblemCode.INTERNAL:
        log.error("request.failed", method=request.method, path=request.url.path, exc_info=error)
    response = problem.to_response()
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update({"Allow": error.headers["Allow"]} if "Allow" in error.headers else {})
    return response


EXCEPTION_HANDLERS: Final[Mapping[object, ExceptionHandler]] = {
    Problem: answer,
    BrokerUnavailable: answer,
    AuditUnavailable: answer,
    HTTPException: answer,
    Exception: answer,
}
"""For `Starlette(exception_handlers=…)`: every route answers in the same way."""
