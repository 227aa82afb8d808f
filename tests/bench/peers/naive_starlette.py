"""A gateway as one writes it first: `json.loads`, then `await send_text(...)` for each participant."""

from __future__ import annotations

import json
import sys
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

topics: dict[str, set[WebSocket]] = {}


async def converse(socket: WebSocket) -> None:
    """Send on what one participant says, until it leaves."""
    topic = socket.query_params.get("topic", "")
    await socket.accept()
    members = topics.setdefault(topic, set())
    members.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            if not json.loads(text)["kind"].startswith("mcp/"):
                continue
            for member in tuple(members):
                if member is not socket:
                    with suppress(WebSocketDisconnect, RuntimeError):
                        await member.send_text(text)
    except WebSocketDisconnect:
        pass
    finally:
        members.discard(socket)
        if not members:
            topics.pop(topic, None)


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[WebSocketRoute("/ws", converse)]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        log_level="error",
        access_log=False,
        lifespan="off",
        backlog=4096,
    )
