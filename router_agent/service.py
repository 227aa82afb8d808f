"""The router as an MCP server: `route_intent` says what it would do, `execute_intent` does it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from participants import INVALID_PARAMS, METHOD_NOT_FOUND, Approver, Request, RequestFailed
from router_agent.core import LONGEST_INTENT

PROTOCOL_VERSION: Final = "2025-11-25"

_INTENT: Final = {
    "type": "object",
    "properties": {
        "intent": {
            "type": "string",
            "description": "What is wanted, in plain words",
            "minLength": 1,
            "maxLength": LONGEST_INTENT,
        }
    },
    "required": ["intent"],
    "additionalProperties": False,
}
TOOLS: Final = (
    {
        "name": "route_intent",
        "description": "Say which tool of this topic does what is asked, with which arguments, how surely; "
        "do nothing.",
        "inputSchema": _INTENT,
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "execute_intent",
        "description": "Have what is asked done by a tool of this topic, within your own rights; what you "
        "may not do is proposed, and you are named.",
        "inputSchema": _INTENT,
        "annotations": {"readOnlyHint": False},
    },
)

Routing = Callable[[str, str], Awaitable[dict[str, Any]]]
"""Takes the asker's id and the intent; returns what is told as JSON."""


class Service:
    """Answers requests to the router."""

    def __init__(self, route: Routing, execute: Routing, approver: Approver | None = None) -> None:
        """`approver`, if there is one, serves its rules beside the router's own tools."""
        self._work = {"route_intent": route, "execute_intent": execute}
        self._approver = approver

    async def answer(self, request: Request) -> dict[str, Any]:
        """
        Answer one request.

        Raises:
            RequestFailed: it is none that the router serves.
        """
        match request.method:
            case "initialize":
                return {
                    "protocolVersion": PROTOCOL_VERSION,
                    "capabilities": {"tools": {"listChanged": False}},
                    "serverInfo": {"name": "mcpx-router", "version": "0.1.0"},
                }
            case "ping":
                return {}
            case "tools/list":
                return {"tools": [*TOOLS, *(self._approver.tools if self._approver else ())]}
            case "tools/call":
                return await self._call(request)
            case method:
                raise RequestFailed(METHOD_NOT_FOUND, f"The router does not serve '{method[:64]}'")

    async def _call(self, request: Request) -> dict[str, Any]:
        name, arguments = request.params.get("name"), request.params.get("arguments")
        if self._approver is not None and self._approver.serves(name):
            return await self._approver.call(request)
        work = self._work.get(name) if isinstance(name, str) else None
        intent = arguments.get("intent") if isinstance(arguments, dict) else None
        if work is None:
            raise RequestFailed(INVALID_PARAMS, "There is no such tool")
        if not isinstance(intent, str) or not 0 < len(intent.strip()) <= LONGEST_INTENT:
            raise RequestFailed(INVALID_PARAMS, f"`intent` is text of 1 to {LONGEST_INTENT} characters")
        told = await work(request.sender, intent)
        return {
            "content": [{"type": "text", "text": json.dumps(told, ensure_ascii=False)}],
            "structuredContent": told,
            "isError": "error" in told,
        }
