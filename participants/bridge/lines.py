"""JSON-RPC messages as lines, as MCP's stdio transport has them."""

from __future__ import annotations

import json
from typing import Any, cast

from mcp.types import JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

from participants.inner_ids import is_rpc_id


class NoMessage(ValueError):
    """A line that is no JSON-RPC message."""


def parse_line(line: bytes) -> JSONRPCMessage:
    """
    Read one line that a server wrote.

    Ids are checked before the SDK sees them: it would take a request with the id
    `null`, `1.5` or `true` for a notification.

    Raises:
        NoMessage: it is none; the text says why, and quotes nothing of it.
    """
    try:
        message: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise NoMessage("it is no JSON") from None
    if not isinstance(message, dict):
        raise NoMessage("it is no JSON object")
    members = cast("dict[str, Any]", message)
    if "method" in members and "id" in members and not is_rpc_id(members["id"]):
        raise NoMessage("its id is neither a string nor an integer")
    try:
        return jsonrpc_message_adapter.validate_python(members, by_name=False)
    except ValidationError:
        raise NoMessage("it is JSON, but no JSON-RPC 2.0 message") from None


def encode_line(message: JSONRPCMessage) -> bytes:
    """Write one message as a line for a server to read."""
    return message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
