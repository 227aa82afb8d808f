"""The `websockets` library with its own `broadcast()`, on uvloop."""

from __future__ import annotations

import json
import sys
from urllib.parse import parse_qs, urlsplit

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

topics: dict[str, set[ServerConnection]] = {}


async def converse(socket: ServerConnection) -> None:
    """Send on what one participant says, until it leaves."""
    assert socket.request is not None
    topic = parse_qs(urlsplit(socket.request.path).query).get("topic", [""])[0]
    members = topics.setdefault(topic, set())
    members.add(socket)
    try:
        async for text in socket:
            if json.loads(text)["kind"].startswith("mcp/"):
                broadcast(members - {socket}, text)
    except ConnectionClosed:
        pass
    finally:
        members.discard(socket)


async def main(port: int) -> None:
    """Serve until the process is ended."""
    async with serve(
        converse, "127.0.0.1", port, compression=None, max_size=4 << 20, backlog=4096, ping_interval=None
    ) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
