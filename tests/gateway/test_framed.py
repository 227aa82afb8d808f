"""An outbox in the moment between the join and the handing over."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from gateway.core import Member
from gateway.http.framed import FramedOutbox, Seat
from gateway.node import Node
from gateway.transport import Deflater, FramedConnection
from schemas import CloseCode


class Connection:
    """Records what a connection is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.since: float | None = None

    def write(self, frames: bytes, *_: object) -> None:
        self.told.append(frames)

    def write_long(self, head: bytes, text: bytes) -> None:
        self.told.append((head, text))

    def close(self, code: int, reason: str) -> None:
        self.told.append((code, bool(reason)))

    def drop_waiting(self) -> None:
        self.told.append("drop")

    def waiting_since(self, now: float) -> float | None:
        return None if self.since is None else now - self.since


def attached(outbox: FramedOutbox) -> Connection:
    connection = Connection()
    outbox.attached(cast("FramedConnection", connection))
    return connection


def test_what_comes_before_it_is_attached_goes_out_first() -> None:
    outbox = FramedOutbox(max_seconds=10, monotonic=lambda: 100.0)
    outbox.send(b"welcome", (b"",))
    outbox.send(b"join", (b"",))
    assert outbox.waiting_bytes == 11

    connection = attached(outbox)
    outbox.send(b"later", (b"",))

    assert connection.told == [b"welcomejoin", b"later"]


def test_a_close_that_was_decided_before_it_is_attached_is_not_forgotten() -> None:
    outbox = FramedOutbox(max_seconds=10, monotonic=lambda: 100.0)
    outbox.send(b"welcome", (b"",))
    outbox.close(CloseCode.REVOKED)

    assert attached(outbox).told == [b"welcome", (4403, True)]


def test_a_slow_consumer_s_queue_does_not_keep_its_close_frame_back() -> None:
    outbox = FramedOutbox(max_seconds=10, monotonic=lambda: 100.0)
    connection = attached(outbox)

    outbox.close(CloseCode.SLOW_CONSUMER)

    assert connection.told == ["drop", (4413, True)]


def test_it_is_behind_when_nothing_has_left_for_too_long() -> None:
    outbox = FramedOutbox(max_seconds=10, monotonic=lambda: 100.0)
    assert not outbox.is_behind()
    connection = attached(outbox)
    assert not outbox.is_behind()

    connection.since = 10.0
    assert not outbox.is_behind()
    connection.since = 10.1
    assert outbox.is_behind()


class FaultyNode:
    """Fails at each envelope, and records whom it closes."""

    def __init__(self) -> None:
        self.closed: list[tuple[Any, CloseCode]] = []

    def read_done(self) -> None: ...

    def receive(self, member: Any, messages: Sequence[bytes]) -> None:
        raise ZeroDivisionError("a fault of ours")

    def close(self, member: Any, code: CloseCode) -> None:
        self.closed.append((member, code))


def test_a_fault_of_ours_ends_the_one_connection_and_says_so() -> None:
    node, member = FaultyNode(), SimpleNamespace(topic="ops", id="ann")
    seat = Seat(cast("Node", node), cast("Member", member), cast("Any", None), cast("Any", None))

    with capture_logs() as logs:
        seat.received([b"{}"])

    assert node.closed == [(member, CloseCode.INTERNAL)]
    assert [(line["event"], line["participant"], line["exc_info"]) for line in logs] == [
        ("connection.failed", "ann", True)
    ]


def test_a_read_that_a_connection_does_not_outlive_is_done_with_it() -> None:
    told: list[str] = []
    node = SimpleNamespace(read_done=lambda: told.append("read done"))
    door = SimpleNamespace(left=lambda *_: told.append("left"))
    seat = Seat(cast("Node", node), cast("Member", None), cast("Any", door), cast("Any", None))

    seat.ended(1006)

    assert told == ["left", "read done"]


def test_a_long_envelope_is_compressed_once_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    compressed: list[bytes] = []

    def compress(data: bytes) -> bytes:
        compressed.append(data)
        return b"compressed"

    monkeypatch.setattr("gateway.transport.deflate.deflated_frame", compress)
    deflater = Deflater()
    outboxes = [FramedOutbox(max_seconds=10, monotonic=lambda: 100.0, deflater=deflater) for _ in range(3)]
    connections = [attached(outbox) for outbox in outboxes]
    long, alone = b"x" * 300_000, (b"x" * 300_000,)

    for outbox in outboxes:
        outbox.send_long(b"head", alone)

    assert compressed == [long]
    assert [connection.told for connection in connections] == [[b"compressed"]] * 3


def test_a_long_envelope_is_not_joined_to_its_head_but_before_it_is_attached() -> None:
    outbox = FramedOutbox(max_seconds=10, monotonic=lambda: 100.0)
    outbox.send_long(b"head ", (b"early",))
    connection = attached(outbox)
    outbox.send_long(b"head ", (b"later",))

    assert connection.told == [b"head early", (b"head ", b"later")]
