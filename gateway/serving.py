"""How a process serves: it says where it listens, goes away gently, and ends with a status."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess, multiprocess

from gateway.transport import HttpTransport

DRAIN_NOTICE_S: Final = 0.5
"""How long a node that goes away only says so at `/readyz`, before it closes the first connection."""

DRAIN_WITHIN_S: Final = 5.0
"""Over how long a node that goes away spreads the closes of its connections."""

_ACCEPTS: Final = 8
"""Connections that are taken in a round of the loop: it takes one from each descriptor that listens."""

log = structlog.get_logger("gateway")


class Server(uvicorn.Server):
    """Says where it listens, once it does; ends with a status, and not by the signal that asked it to end."""

    was_interrupted = False
    _reloading: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def end(number: int, frame: FrameType | None) -> None:
            self.was_interrupted = self.was_interrupted or number == signal.SIGINT
            self.handle_exit(number, frame)

        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        # One that comes before there is what to reload waits: a worker was started with it blocked.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        if self.started and self.servers and sockets is None:
            await self._listen_wide()
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            log.info("gateway.started", host=host, port=port, next=f"http://{shown(host)}:{port}/")

    async def _listen_wide(self) -> None:
        """
        Listen by several descriptors of each socket: who come together share what costs once a round.

        Workers do without: one of them would take all who do.
        """
        loop, config = asyncio.get_running_loop(), self.config
        connected = partial(HttpTransport, config, self.server_state, self.lifespan.state, loop)
        for listener in [each for server in self.servers for each in server.sockets]:
            for _ in range(_ACCEPTS - 1):
                again = socket.socket(fileno=os.dup(listener.fileno()))
                self.servers.append(
                    await loop.create_server(connected, sock=again, ssl=config.ssl, backlog=config.backlog)
                )

    def _reload(self) -> None:
        self._reloading = asyncio.create_task(self._reload_after(self._reloading))

    async def _reload_after(self, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await earlier
        try:
            await self.config.loaded_app.state.reloading.reload()
        except Exception:  # the edge of a task that nobody awaits
            log.exception("settings.reload_failed", next="restart when that is convenient")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if not self.was_interrupted:
            # While it still listens, so that whoever asks hears that it is not ready.
            await self.config.loaded_app.state.node.drain_slowly(DRAIN_NOTICE_S, DRAIN_WITHIN_S)
        await super().shutdown(sockets)


class _Worker(multiprocess.Process):
    """A process that shares the port with others."""

    def start(self) -> None:
        # Blocked signals stay so in what is started, and wait there until it knows what to do with them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        super().start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = Server(config=self.config)
        return self._server


class Workers(Multiprocess):
    """Several processes on one port, each of which goes away, and reloads, as one alone would."""

    def handle_hup(self) -> None:
        for each in self.processes:
            if each.pid is not None and each.exitcode is None:
                os.kill(each.pid, signal.SIGHUP)

    def run(self) -> None:
        multiprocess.Process = _Worker  # type: ignore[misc]  # it knows no other way to say which
        super().run()


def shown(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
