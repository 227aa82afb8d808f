"""A TCP proxy before Redis that cuts, resets and swallows."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FaultProxy:
    """
    Passes bytes both ways, until told otherwise.

    `swallows_up` and `swallows_down` let the bytes to Redis, or from it,
    disappear while the connections stay open: what a broken route does.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.swallows_up = False
        self.swallows_down = False
        self.connections = 0
        """Accepted so far."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self._links.add((writer, up_writer))
        for task in (
            asyncio.create_task(self._pump(reader, up_writer, "up")),
            asyncio.create_task(self._pump(up_reader, writer, "down")),
        ):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        try:
            while data := await reader.read(65536):
                if not (self.swallows_up if way == "up" else self.swallows_down):
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def reset(self) -> None:
        """End every connection with a TCP reset, whatever is under way."""
        for pair in self._links:
            for writer in pair:
                sock = writer.get_extra_info("socket")
                if sock is not None and not writer.is_closing():
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
        self._links.clear()

    async def close(self) -> None:
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def fault_proxy(port: int) -> AsyncIterator[FaultProxy]:
    """Run a proxy before the Redis at this port of 127.0.0.1."""
    proxy = FaultProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    async with server:
        yield proxy
        server.close()
        await proxy.close()
