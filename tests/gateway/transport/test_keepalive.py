"""Who is pinged when, and what follows when no pong comes; on a loop whose clock the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.transport import FramedConnection
from gateway.transport.keepalive import NO_PONG, Keepalive
from tests.gateway.transport.wire import (
    CLOSE,
    PING,
    PONG,
    FakeTransport,
    Owned,
    Recorder,
    client_frame,
    server_frames,
)


class Clock:
    """The parts of a loop that a timer needs."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[..., None], *arguments: Any) -> asyncio.TimerHandle:
        self.timers.append((self.now + delay, call, arguments))
        return object()  # type: ignore[return-value]  # nobody cancels here

    def pass_(self, seconds: float) -> None:
        """Let so much time pass, and what is due in it happen when it is due."""
        until = self.now + seconds
        while self.timers:
            due = min(self.timers, key=lambda timer: timer[0])
            if due[0] > until + 1e-9:
                break
            self.timers.remove(due)
            self.now = due[0]
            due[1](*due[2])
        self.now = until


class Connection:
    """One that only counts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.pinged_at: float | None = None
        self.pings: list[float] = []
        self.codes: list[int] = []

    def ping(self, now: float) -> None:
        assert now == self._clock.now
        self.pinged_at = now
        self.pings.append(now)

    def close(self, code: int, reason: str) -> None:
        assert reason
        self.codes.append(code)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    turned = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: turned)
    yield turned
    monkeypatch.undo()


def test_a_connection_that_answers_is_pinged_once_an_interval(clock: Clock) -> None:
    pings, one = Keepalive(16.0, 8.0), Connection(clock)
    pings.add(one)
    for _ in range(160):
        clock.pass_(1.0)
        one.pinged_at = None

    assert len(one.pings) == 10
    assert {round(later - earlier, 6) for earlier, later in zip(one.pings, one.pings[1:], strict=False)} == {
        16.0
    }
    assert 14.0 <= one.pings[0] - 1000.0 <= 16.0
    assert one.codes == []


def test_pings_are_spread_over_the_interval(clock: Clock) -> None:
    pings, all_ = Keepalive(16.0, 100.0), [Connection(clock) for _ in range(160)]
    for one in all_:
        pings.add(one)
        clock.pass_(0.1)
    clock.pass_(16.0)

    at_once: dict[float, int] = {}
    for one in all_:
        at_once[one.pings[0]] = at_once.get(one.pings[0], 0) + 1
    assert max(at_once.values()) <= 11
    assert len(at_once) >= 15


def test_one_that_answers_no_ping_is_closed_once_with_4408(clock: Clock) -> None:
    pings, mute, lively = Keepalive(16.0, 8.0), Connection(clock), Connection(clock)
    pings.add(mute)
    pings.add(lively)
    for _ in range(20):
        clock.pass_(16.0)
        lively.pinged_at = None

    assert mute.codes == [NO_PONG] == [4408]
    assert len(mute.pings) == 1
    assert lively.codes == []


def test_an_answer_may_take_as_long_as_the_timeout(clock: Clock) -> None:
    pings, slow = Keepalive(16.0, 40.0), Connection(clock)
    pings.add(slow)
    clock.pass_(16.0 + 39.0)
    assert slow.codes == []

    clock.pass_(16.0)

    assert slow.codes == [4408]


def test_one_that_is_discarded_is_left_alone_and_the_timer_rests(clock: Clock) -> None:
    pings, one = Keepalive(16.0, 8.0), Connection(clock)
    pings.add(one)
    pings.discard(one)
    pings.discard(one)
    clock.pass_(100.0)

    assert one.pings == []
    assert clock.timers == []

    pings.add(one)
    clock.pass_(16.0)

    assert len(one.pings) == 1


def test_without_an_interval_nobody_is_pinged(clock: Clock) -> None:
    pings, one = Keepalive(0.0, 8.0), Connection(clock)
    pings.add(one)

    assert clock.timers == []


def test_one_that_is_closed_amid_a_turn_is_no_trouble(clock: Clock) -> None:
    pings = Keepalive(16.0, 8.0)
    both = [Connection(clock), Connection(clock)]

    def discard_both(now: float) -> None:
        for one in both:
            pings.discard(one)

    for one in both:
        one.ping = discard_both  # type: ignore[method-assign]  # a ping that finds the socket gone
        pings.add(one)
    clock.pass_(32.0)

    assert clock.timers == []


# With a connection's frames


def test_a_connection_pings_and_a_pong_keeps_it(clock: Clock) -> None:
    transport, receiver = FakeTransport(), Recorder()
    connection = FramedConnection(
        transport, receiver, Owned(), Keepalive(16.0, 8.0), max_size=1000, max_waiting=1000
    )
    clock.pass_(16.0)
    assert server_frames(b"".join(transport.written)) == [(PING, b"mcpx")]

    connection.data_received(client_frame(PONG, b"mcpx"))
    clock.pass_(16.0)
    assert server_frames(b"".join(transport.written)) == [(PING, b"mcpx")] * 2
    clock.pass_(16.0)

    assert server_frames(b"".join(transport.written))[-1][0] == CLOSE
    assert server_frames(b"".join(transport.written))[-1][1][:2] == (4408).to_bytes(2, "big")
    clock.pass_(5.0)
    assert transport.is_aborted
    connection._last_call = None  # this clock's timers cannot be cancelled
    connection.connection_lost(None)
    assert receiver.codes == [4408]
