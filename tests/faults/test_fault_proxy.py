"""The fault proxy does to a link what it is told, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.faults.fault_proxy import FaultProxy, fault_proxy


@dataclass(slots=True)
class Peer:
    """One end of a TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def says(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    async def hears(self, text: bytes) -> None:
        async with asyncio.timeout(30):
            assert await self.reader.readexactly(len(text)) == text

    async def hears_the_end(self) -> None:
        async with asyncio.timeout(30):
            assert await self.reader.read() == b""


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[FaultProxy, Peer, Peer]]:
    """A client and a server with the proxy between them."""
    accepted: asyncio.Queue[Peer] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted.put(Peer(reader, writer))

    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        stack.callback(server.close)
        proxy = await stack.enter_async_context(fault_proxy(server.sockets[0].getsockname()[1]))
        client = Peer(*await asyncio.open_connection("127.0.0.1", proxy.port))
        stack.callback(client.writer.close)
        async with asyncio.timeout(30):
            served = await accepted.get()
        stack.callback(served.writer.close)
        yield proxy, client, served


async def test_bytes_pass_both_ways_and_an_end_passes_as_an_end() -> None:
    async with linked() as (_, client, server):
        await client.says(b"question")
        await server.hears(b"question")
        client.writer.write_eof()
        await server.hears_the_end()
        await server.says(b"answer")
        await client.hears(b"answer")


async def test_a_black_hole_holds_one_direction_and_lets_the_other_through() -> None:
    async with linked() as (proxy, client, server):
        proxy.blackhole("down")
        await server.says(b"late")
        await client.says(b"on time")
        await server.hears(b"on time")
        held = asyncio.create_task(client.hears(b"late"))
        await client.says(b"marker")
        await server.hears(b"marker")
        assert not held.done()

        proxy.heal()
        await held


async def test_a_connection_that_ends_in_a_black_hole_seems_open_to_the_other_side() -> None:
    async with linked() as (proxy, client, server):
        proxy.blackhole()
        client.writer.close()
        end = asyncio.create_task(server.hears_the_end())
        await asyncio.wait((end,), timeout=0.1)  # silence of a peer that cannot be asked for a marker
        assert not end.done()

        proxy.heal()
        await end


async def test_a_reset_reaches_both_sides_as_an_error() -> None:
    async with linked() as (proxy, client, server):
        proxy.reset()
        for peer in (client, server):
            with pytest.raises(ConnectionResetError):
                async with asyncio.timeout(30):
                    await peer.reader.read()


async def test_a_half_close_ends_one_direction_alone() -> None:
    async with linked() as (proxy, client, server):
        proxy.half_close("down")
        await client.hears_the_end()
        await client.says(b"still heard")
        await server.hears(b"still heard")


async def test_latency_with_jitter_delays_and_never_reorders() -> None:
    async with linked() as (proxy, client, server):
        proxy.delay(0.05, jitter_s=0.05, direction="up")
        loop = asyncio.get_running_loop()
        began = loop.time()
        said = [b"%04d" % number for number in range(50)]
        for text in said:
            await client.says(text)
            await asyncio.sleep(0)
        await server.hears(b"".join(said))
        assert loop.time() - began >= 0.05


async def test_a_narrow_link_takes_its_time() -> None:
    async with linked() as (proxy, client, server):
        proxy.narrow(100_000, "up")
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.says(b"x" * 20_000)
        await server.hears(b"x" * 20_000)
        assert loop.time() - began >= 0.2


async def test_a_server_that_is_not_there_is_a_reset(unused_tcp_port: int) -> None:
    async with fault_proxy(unused_tcp_port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(30):
                await reader.read()
        writer.close()
