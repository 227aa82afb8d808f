"""A connection's queue: in order, bounded, and always ended."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.clock import ManualClock
from gateway.http.outbox import SocketOutbox, Texts
from schemas import CloseCode
from tests.requirements import spec


class Socket:
    """An ASGI `send` that can be made to take nothing."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.clock = ManualClock()
        self.overflows = 0
        self.outbox = SocketOutbox(
            self.send,
            Texts(),
            max_bytes=100,
            max_seconds=10.0,
            monotonic=self.clock.monotonic,
        )
        self.outbox.overflown = self.overflow

    def overflow(self) -> None:
        self.overflows += 1
        self.outbox.close(CloseCode.SLOW_CONSUMER)

    async def send(self, message: Any) -> None:
        await self.open.wait()
        self.messages.append(dict(message))


def queue(socket: Socket, data: bytes) -> None:
    socket.outbox.send(b"frames are for others", (data,))


async def test_what_is_queued_is_sent_in_order_and_then_the_close_frame() -> None:
    socket = Socket()
    for text in (b"1", b"2", "\u00e4".encode()):
        queue(socket, text)
    socket.outbox.close(CloseCode.REVOKED)

    async with asyncio.timeout(30):
        await socket.outbox.run()

    assert [message.get("text") for message in socket.messages[:3]] == ["1", "2", "\u00e4"]
    assert (socket.messages[3]["type"], socket.messages[3]["code"]) == ("websocket.close", 4403)


@spec("mcpx refusals close 4413")
async def test_more_than_may_wait_is_told_once_and_dropped() -> None:
    socket = Socket()
    socket.open.clear()
    running = asyncio.create_task(socket.outbox.run())
    for _ in range(5):
        queue(socket, b"x" * 40)
        await asyncio.sleep(0)

    assert socket.overflows == 1
    assert socket.outbox.waiting_bytes == 0

    socket.open.set()
    async with asyncio.timeout(30):
        await running
    assert socket.messages[-1]["code"] == 4413
    assert len(socket.messages) == 2, "the one that was on its way, and the close frame"


async def test_it_is_behind_when_its_oldest_envelope_has_waited_too_long() -> None:
    socket = Socket()
    queue(socket, b"x")
    socket.clock.advance(10.0)
    assert not socket.outbox.is_behind()

    socket.clock.advance(0.1)
    assert socket.outbox.is_behind()


async def test_nothing_is_queued_once_it_is_closing() -> None:
    socket = Socket()
    socket.outbox.close(CloseCode.RESTART)
    socket.outbox.close(CloseCode.REVOKED)
    queue(socket, b"late")

    async with asyncio.timeout(30):
        await socket.outbox.run()

    assert [message.get("code") for message in socket.messages] == [1012]


async def test_a_peer_that_has_gone_ends_the_sending_quietly() -> None:
    class Gone(Socket):
        async def send(self, message: Any) -> None:
            raise OSError("gone")

    socket = Gone()
    queue(socket, b"x")

    async with asyncio.timeout(30):
        await socket.outbox.run()


def test_the_same_bytes_are_decoded_once() -> None:
    texts = Texts()
    data = b'{"a": 1}'

    assert texts.of(data) is texts.of(data)
