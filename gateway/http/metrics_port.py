"""`--metrics-port`: health and metrics on a port of their own, for a scraper that is not on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette

from gateway.errors import SettingsError
from gateway.transport import HttpTransport


class _Beside(uvicorn.Server):
    """A server inside a process whose signals are somebody else's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served_beside(app: Starlette, host: str, port: int | None) -> AsyncIterator[None]:
    """
    Serve `app` on a port while the block runs; with `None` do nothing.

    Raises:
        SettingsError: the port is taken.
    """
    if port is None:
        yield
        return
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=HttpTransport,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
    )
    try:
        listener = config.bind_socket()
    except SystemExit:
        raise SettingsError("--metrics-port", f"cannot listen on {host}:{port}") from None
    server = _Beside(config)
    serving = asyncio.create_task(server.serve([listener]), name="metrics")
    try:
        yield
    finally:
        server.should_exit = True
        await serving
        listener.close()
