"""A server of the modern era whose list of tools grows, and that asks for input, run as a script."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("modern")


@server.tool()
async def grow(ctx: Context[Any]) -> str:
    server.tool(name="grown")(grow)
    await ctx.notify_tools_changed()
    return "grown"


@server.tool()
async def count(to: int, ctx: Context[Any]) -> str:
    for step in range(1, to + 1):
        await ctx.report_progress(step, to)
    return "done"


if __name__ == "__main__":
    server.run()
