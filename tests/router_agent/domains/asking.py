"""How the tests of the domains ask: by the official client, in this process."""

from __future__ import annotations

from typing import Any

from mcp.client import Client
from mcp.server.mcpserver import MCPServer


async def ask(server: MCPServer, tool: str, **arguments: Any) -> Any:
    """Call a tool and return its structured result; a list or a text without its wrapping."""
    async with Client(server) as client:
        called = await client.call_tool(tool, arguments)
    assert called.is_error is not True, called.content
    told = called.structured_content or {}
    return told["result"] if set(told) == {"result"} else told


async def refusal(server: MCPServer, tool: str, **arguments: Any) -> str:
    """Call a tool that refuses, and return what it says."""
    async with Client(server) as client:
        called = await client.call_tool(tool, arguments)
    assert called.is_error is True, called.structured_content
    return "\n".join(part.text for part in called.content if part.type == "text")
