"""How the router's HTTP door says no: problem+json (RFC 9457), with a stable code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from participants import ConnectionLost, HandshakeRefused, ParticipantError
from router_agent.errors import IntentRefused

STATUSES: Final[Mapping[str, int]] = {
    "invalid_body": 400,
    "token_missing": 401,
    "token_refused": 401,
    "topic_forbidden": 403,
    "host_refused": 421,
    "not_found": 404,
    "model_unknown": 404,
    "too_large": 413,
    "rate_limited": 429,
    "busy": 503,
    "gateway_unavailable": 503,
    "deadline": 504,
    "internal": 500,
}


class Problem(Exception):
    """An answer that is none; raised by whoever finds out."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail

    def __str__(self) -> str:
        return self.detail


def problem_of(error: Exception) -> Problem:
    """Translate what went wrong; what is not known tells nothing internal."""
    match error:
        case Problem():
            return error
        case IntentRefused(code=code, message=message) if code in STATUSES:
            return Problem(code, message)
        case HandshakeRefused(status=401):
            return Problem("token_refused", "The gateway does not accept this token")
        case HandshakeRefused(status=403):
            return Problem("topic_forbidden", "This token does not name that topic")
        case HandshakeRefused(status=400):
            return Problem("invalid_body", "`topic` is no name of a topic")
        case HandshakeRefused() | ConnectionLost():
            return Problem("gateway_unavailable", "The gateway cannot be reached now")
        case ParticipantError():
            return Problem("gateway_unavailable", "The topic did not answer")
        case _:
            return Problem("internal", "Something went wrong here")


def response_of(problem: Problem) -> Response:
    """Return the HTTP answer of a problem."""
    status = STATUSES.get(problem.code, 500)
    body: dict[str, Any] = {
        "type": f"urn:mcpx:router:{problem.code}",
        "title": problem.code.replace("_", " ").capitalize(),
        "status": status,
        "code": problem.code,
        "detail": problem.detail,
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if status in {429, 503}:
        headers["Retry-After"] = "2"
    return Response(orjson.dumps(body), status, headers, "application/problem+json")
