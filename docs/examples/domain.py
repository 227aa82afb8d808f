"""Ask one of the small servers of the demonstration by itself: it is an MCP server like any other."""

import asyncio
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

SERVER = StdioServerParameters(command=sys.executable, args=["-m", "router_agent.domains.weather"])


async def weather(city: str) -> str:
    """Return what the server says of a city, in one line."""
    async with Client(stdio_client(SERVER)) as client:
        called = await client.call_tool("check_weather", {"location": city, "units": "celsius"})
        told = called.structured_content
        if called.is_error or told is None:
            return str(called.content)
        return f"{told['condition']}, {told['temperature']} °C in {told['location']} ({told['source']})"


if __name__ == "__main__":
    print(asyncio.run(weather(" ".join(sys.argv[1:]) or "San Francisco")))
