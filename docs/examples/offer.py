"""Offer tools: any server object of the official MCP SDK answers in the topic."""

import asyncio
import os

from mcp.server.mcpserver import MCPServer

from participants import Participant
from participants.serving import serve

server = MCPServer("shouting")


@server.tool()
def shout(text: str) -> str:
    """Return the text in capital letters."""
    return text.upper()


async def offer(url: str, topic: str, token: str) -> None:
    """Serve until the connection ends for good."""
    async with Participant.connect(url, topic, token) as me, serve(me, server):
        await me.wait_closed()


if __name__ == "__main__":
    asyncio.run(offer(os.environ["MCPX_URL"], os.environ["MCPX_TOPIC"], os.environ["MCPX_TOKEN"]))
