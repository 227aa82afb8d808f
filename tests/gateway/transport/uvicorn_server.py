"""A real uvicorn, set as `python -m gateway` sets it, around an application of the test's own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import uvicorn
import uvloop

from gateway.__main__ import _config
from gateway.settings import Settings
from gateway.transport import WebSocketTransport

READY_WITHIN_S = 30.0


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listens: threading.Event) -> None:
        super().__init__(config)
        self._listens = listens

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listens.set()


@asynccontextmanager
async def serving(
    state_dir: Path,
    app: Any = None,
    *,
    ws: Any = WebSocketTransport,
    lifespan: Literal["on", "off"] = "off",
    max_size: int | None = None,
    env: dict[str, str] | None = None,
) -> AsyncIterator[str]:
    """
    Serve an application, or else the gateway's own, on uvloop in a thread; give the URL's beginning.

    Protocol classes and settings are the gateway's, but for what is passed.
    """
    settings = Settings.read({"MCPX_STATE_DIR": str(state_dir), **(env or {})}, {}).with_secret()
    config = _config(settings, lambda: settings)
    config.ws, config.lifespan = ws, "on" if app is None else lifespan
    if app is not None:
        config.app = app
    if max_size is not None:
        config.ws_max_size = max_size
    listens = threading.Event()
    server = _Server(config, listens)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def run() -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(server.serve([listener]))

        thread = threading.Thread(target=run, name="uvicorn")
        thread.start()
        try:
            assert await asyncio.to_thread(listens.wait, READY_WITHIN_S), "uvicorn did not start"
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join, READY_WITHIN_S)
            assert not thread.is_alive(), "uvicorn did not end"
