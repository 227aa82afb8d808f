"""The router's HTTP door: a port of its own beside the topic, under uvicorn."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

import typer
import uvicorn

from router_agent.callers import Callers
from router_agent.errors import DoorUnavailable
from router_agent.harness import ReasoningModel
from router_agent.thinking import Thinker
from router_agent.web import Web


def listen(host: str, port: int) -> socket.socket:
    """
    Listen, port 0 on one that is free; before the gateway is asked for anything.

    Raises:
        DoorUnavailable: the port is taken, or the address is not this machine's.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise DoorUnavailable(host, port, error.strerror or str(error)) from error


async def serve(
    listening: socket.socket,
    gateway: str,
    thinker: Thinker,
    models: Mapping[str, ReasoningModel],
    hosts: Sequence[str],
) -> None:
    """Serve until cancelled; `gateway` is where callers take part, `hosts` what `Host` may say besides."""
    host, port = listening.getsockname()[:2]
    callers = Callers(gateway, thinker, date.today)
    app = Web(callers, models, hosts=("127.0.0.1", "localhost", "[::1]", *hosts)).app
    typer.echo(f"http://{host}:{port}", err=True)
    try:
        await _Server(uvicorn.Config(app, log_config=None, lifespan="off")).serve(sockets=[listening])
    finally:
        await callers.close()


class _Server(uvicorn.Server):
    """Leaves signals to whoever started the router."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
