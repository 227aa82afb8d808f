"""A TCP proxy that does what networks do: delays, narrows, cuts, resets, holds back, half-closes."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Direction = Literal["up", "down", "both"]
"""To the server, from it, or both."""

_CHUNK: Final = 65536
_IN_FLIGHT: Final = 256
"""Chunks under way on one link in one direction; more wait in the sender's kernel."""


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass(slots=True)
class Way:
    """What happens to the bytes that go in one direction; changed while they flow."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    """Added to the latency, evenly spread; bytes never overtake each other."""
    bytes_per_s: float = 0.0
    """0 is as fast as it goes."""
    gate: asyncio.Event = field(default_factory=_open_gate)
    """While it is shut nothing passes: neither bytes nor the end of them."""


class FaultProxy:
    """
    Passes bytes both ways, until told otherwise.

    A black hole keeps connections open and lets nothing through. What was sent
    into it comes out when it is healed, as TCP would send it again: a reader
    sees late bytes, never a stream with a hole.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.up, self.down = Way(), Way()
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._serving: set[asyncio.Task[Any]] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.connections = 0
        """Accepted so far."""

    @property
    def url(self) -> str:
        """Of the Redis behind it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def open_links(self) -> int:
        """Connections that have not ended yet."""
        return len(self._links)

    # Faults

    def delay(self, latency_s: float, jitter_s: float = 0.0, direction: Direction = "both") -> None:
        """Let bytes arrive later."""
        for way in self._ways(direction):
            way.latency_s, way.jitter_s = latency_s, jitter_s

    def narrow(self, bytes_per_s: float, direction: Direction = "both") -> None:
        """Let only so much through."""
        for way in self._ways(direction):
            way.bytes_per_s = bytes_per_s

    def blackhole(self, direction: Direction = "both") -> None:
        """Let nothing through, and tell nobody."""
        for way in self._ways(direction):
            way.gate.clear()

    def heal(self) -> None:
        """Be a good link again; what a black hole held comes out."""
        for way in (self.up, self.down):
            way.latency_s = way.jitter_s = way.bytes_per_s = 0.0
            way.gate.set()

    def reset(self) -> None:
        """End every connection with a TCP reset, whatever is under way."""
        links, self._links = self._links, set()
        for pair in links:
            for writer in pair:
                _reset(writer)

    def half_close(self, direction: Literal["up", "down"]) -> None:
        """Say on every connection that no more bytes come in one direction; the other goes on."""
        for client, server in self._links:
            writer = server if direction == "up" else client
            with suppress(OSError):
                if writer.can_write_eof() and not writer.is_closing():
                    writer.write_eof()

    def _ways(self, direction: Direction) -> tuple[Way, ...]:
        return {"up": (self.up,), "down": (self.down,), "both": (self.up, self.down)}[direction]

    # Passing bytes

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection."""
        self.connections += 1
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        link = (writer, up_writer)
        self._links.add(link)
        pumps = [
            asyncio.create_task(self._pump(reader, up_writer, self.up)),
            asyncio.create_task(self._pump(up_reader, writer, self.down)),
        ]
        self._pumps.update(pumps)
        await asyncio.wait(pumps)
        self._pumps.difference_update(pumps)
        self._links.discard(link)
        for each in link:
            each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        """Carry one direction of a connection to its end."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT)
        carrying = asyncio.create_task(self._carry(under_way, writer, way))
        loop = asyncio.get_running_loop()
        due = 0.0
        end = b""
        try:
            try:
                while data := await reader.read(_CHUNK):
                    jitter = random.uniform(0.0, way.jitter_s) if way.jitter_s else 0.0
                    due = max(due, loop.time() + way.latency_s + jitter)
                    await under_way.put((due, data))
            except OSError:
                end = _RESET
            await under_way.put((due, end))
            await carrying
        finally:
            carrying.cancel()

    async def _carry(
        self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, way: Way
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await under_way.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if way.bytes_per_s:
                await asyncio.sleep(len(data) / way.bytes_per_s)
            await way.gate.wait()
            if data is _RESET:
                _reset(writer)
                return
            # The reader of the other direction hears of an error; after a half-close bytes go nowhere.
            with suppress(OSError, RuntimeError):
                if not data:
                    if not writer.is_closing():
                        writer.write_eof()
                    return
                if not writer.is_closing():
                    writer.write(data)
                    await writer.drain()

    async def close(self) -> None:
        """End everything."""
        self.reset()
        while self._serving:
            for pump in self._pumps:
                pump.cancel()
            await asyncio.wait(self._serving, timeout=0.1)


_RESET: Final = bytes(bytearray(b"reset"))
"""An object of its own, told by identity: its sender's connection was reset."""


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def fault_proxy(port: int) -> AsyncIterator[FaultProxy]:
    """Run a proxy before the server at this port of 127.0.0.1."""
    proxy = FaultProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
