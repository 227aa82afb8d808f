"""A member's outbox over a framed connection: before it is attached, and when it takes too little."""

from __future__ import annotations

import asyncio
import gc
import weakref
from functools import partial

import pytest

from gateway.fanout import Fanout
from gateway.http.framed import FramedOutbox
from gateway.transport import Deflater, frame_head
from schemas import CLOSE_REASONS, CloseCode
from tests.gateway.seats import seat
from tests.gateway.transport.wire import CLOSE, TEXT, Wire


class Monotonic:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


def send(outbox: FramedOutbox, text: bytes) -> None:
    outbox.send(frame_head(len(text)) + text, [text])


def closing(code: CloseCode) -> tuple[int, bytes]:
    return CLOSE, int(code).to_bytes(2, "big") + CLOSE_REASONS[code].reason.encode()


async def test_what_is_sent_before_the_connection_is_there_goes_first(monotonic: Monotonic) -> None:
    outbox, wire = FramedOutbox(max_seconds=1.0, monotonic=monotonic), Wire()
    send(outbox, b"welcome")
    send(outbox, b"1")
    assert not outbox.is_behind()

    outbox.attached(wire.connection)
    send(outbox, b"2")

    assert wire.sent == [(TEXT, b"welcome"), (TEXT, b"1"), (TEXT, b"2")]


async def test_a_member_that_was_closed_before_the_connection_is_there_is_told(monotonic: Monotonic) -> None:
    outbox, wire = FramedOutbox(max_seconds=1.0, monotonic=monotonic), Wire()
    send(outbox, b"welcome")
    outbox.close(CloseCode.REVOKED)

    outbox.attached(wire.connection)
    send(outbox, b"not for you")

    assert wire.sent == [(TEXT, b"welcome"), closing(CloseCode.REVOKED)]
    wire.lose()


@pytest.mark.parametrize("is_attached", [True, False])
@pytest.mark.parametrize("deflater", [None, Deflater()])
async def test_an_outbox_that_is_let_go_leaves_nothing_for_the_collector(
    deflater: Deflater | None,
    is_attached: bool,  # a parameter
) -> None:
    monotonic, wire = Monotonic(), Wire()
    gone = weakref.ref(monotonic)
    outbox = FramedOutbox(max_seconds=1.0, monotonic=monotonic, deflater=deflater)
    send(outbox, b"welcome")
    if is_attached:
        outbox.attached(wire.connection)
        send(outbox, b"1")
    gc.disable()
    try:
        del outbox, monotonic
        assert gone() is None
    finally:
        gc.enable()


async def test_one_is_behind_when_nothing_has_left_for_too_long(monotonic: Monotonic) -> None:
    outbox, wire = FramedOutbox(max_seconds=1.0, monotonic=monotonic), Wire()
    outbox.attached(wire.connection)
    wire.connection.pause_writing()
    send(outbox, b"1")
    assert not outbox.is_behind()

    monotonic.now = 1.5
    assert outbox.is_behind()

    wire.connection.resume_writing()
    assert not outbox.is_behind()


async def test_a_slow_consumer_is_closed_without_what_waited_and_others_as_soon_as_they_have_it(
    monotonic: Monotonic,
) -> None:
    for code, expected in (
        (CloseCode.SLOW_CONSUMER, [closing(CloseCode.SLOW_CONSUMER)]),
        (CloseCode.RESTART, [(TEXT, b"1"), closing(CloseCode.RESTART)]),
    ):
        outbox, wire = FramedOutbox(max_seconds=1.0, monotonic=monotonic), Wire()
        outbox.attached(wire.connection)
        wire.connection.pause_writing()
        send(outbox, b"1")
        outbox.close(code)
        wire.connection.resume_writing()

        assert wire.sent == expected
        wire.lose()


async def test_two_that_overflow_in_one_write_do_not_let_their_leaves_overtake_it(
    monotonic: Monotonic,
) -> None:
    members, wires = (
        [seat(f"m{number}", "chat") for number in range(3)],
        [Wire(max_waiting=1) for _ in range(3)],
    )
    for member, wire in zip(members, wires, strict=True):
        member.outbox = FramedOutbox(max_seconds=1.0, monotonic=monotonic)
        member.outbox.attached(wire.connection)
    fanout = Fanout(asyncio.get_running_loop().call_soon, lambda envelopes, size: None)  # nobody counts

    def leaves(number: int) -> None:  # as Node.close does
        fanout.flush()
        fanout.deliver([b"%d leaves" % number], members[2:])

    for number in (0, 1):
        wires[number].connection.pause_writing()
        wires[number].receiver.overflown = partial(leaves, number)  # type: ignore[method-assign]  # one that acts
    fanout.deliver([b"to all"], members)
    fanout.flush()
    await asyncio.sleep(0)
    fanout.flush()

    assert [text for _, text in wires[2].sent] == [b"to all", b"0 leaves", b"1 leaves"]
