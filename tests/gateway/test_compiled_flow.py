"""The compiled half of a flow by itself: it writes as a fan-out does, and no callback can harm it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fanout import Fanout
from gateway.metrics import Metrics
from schemas import PROTOCOL
from tests.gateway.seats import RecordingOutbox, envelope, seat
from tests.gateway.transport.wire import PING, TEXT, client_frame, server_frames

compiled = pytest.importorskip("gateway._flow", reason="there was no compiler when this was installed")

NAMES = ("ann", "bob", "cid")
IS_BETWEEN = True


@settings(max_examples=300)
@given(
    rounds=st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(0, 2), st.sampled_from((1, 40, 5000, 8000, 8100))), max_size=3),
            st.integers(0, 2),
        ),
        max_size=50,
    )
)
def test_what_is_pending_or_owed_leaves_as_it_would_from_a_fan_out(
    rounds: list[tuple[list[tuple[int, int]], int]],
) -> None:
    members = [seat(name, "chat") for name in NAMES]
    theirs: list[tuple[int, bytes]] = []
    ours: list[tuple[int, bytes]] = []
    for place, member in enumerate(members):
        member.outbox = Writes(place, theirs)
    counted, delivered = Metrics(), [0, 0]
    fanout = Fanout(lambda _: None, counted.delivered)
    flow = compiled.Flow(PROTOCOL.encode(), 1 << 20, lambda: 0.0, lambda: 0.0, delivered, lambda *_: None)
    inlets = [compiled.Inlet(lambda _: False, 1 << 20, IS_BETWEEN) for _ in members]
    flow.open(
        [
            (inlet, Writes(place, ours).write, member.id.encode(), 1.0, lambda *_: True, lambda _: [0, 0])
            for place, (inlet, member) in enumerate(zip(inlets, members, strict=True))
        ]
    )

    for reads, payments in rounds:
        for who, size in reads:
            said = envelope(NAMES[who], payload={"text": "x" * size})
            inlets[who](client_frame(TEXT, said))
            fanout.deliver([said], members)
        readers = {who for who, _ in reads}
        if len(readers) == 1:
            (reader,) = readers
            assert flow.flush_but(inlets[reader]) == fanout.flush_but(members[reader])
        else:
            flow.flush()
            fanout.flush()
        for _ in range(payments):
            assert flow.pay_overdue() == fanout.pay_overdue()
        assert ours == theirs
    assert delivered == counted.all_delivered


class Writes(RecordingOutbox):
    """Keeps each write of several members in one list."""

    def __init__(self, place: int, writes: list[tuple[int, bytes]]) -> None:
        super().__init__()
        self.place, self.writes = place, writes

    def write(self, frames: bytes) -> None:
        self.writes.append((self.place, frames))

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None:  # an outbox's signature
        self.write(frames)


def test_a_flow_is_opened_with_what_it_can_use() -> None:
    flow = compiled.Flow(b"p", 9, float, float, [0, 0], print)
    inlet = compiled.Inlet(len, 10, IS_BETWEEN)
    way = (inlet, print, b"ann", 1.0, bool, print)

    assert not flow.is_open
    for wrong in ([way, way], [way[:5]], [("inlet", *way[1:])], [way] * 9, (way,)):
        with pytest.raises((TypeError, ValueError)):
            flow.open(wrong)
        assert not flow.is_open
    flow.open([way])
    with pytest.raises(ValueError, match="shut flow"):
        flow.open([way])
    flow.shut()
    flow.open([way])
    assert flow.is_open


def test_an_error_on_the_way_goes_nowhere_twice() -> None:
    """What Python cannot decide it hears again by its own way; what cannot be written is an error."""
    came: list[bytes] = []
    flow = compiled.Flow(PROTOCOL.encode(), 1 << 20, lambda: 0.0, lambda: 0.0, [0, 0], lambda *_: None)

    def otherwise(data: bytes) -> bool:
        came.append(data)
        return True

    inlet = compiled.Inlet(otherwise, 1 << 20, IS_BETWEEN)
    outcomes = iter([RuntimeError("not now"), None, [0], [0, 0]])

    def decide(_: bytes) -> Any:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def write(_: bytes) -> None:
        raise OSError("no socket")

    flow.open([(inlet, write, b"ann", 1.0, lambda *_: True, decide)])
    read = client_frame(TEXT, envelope("ann"))
    for _ in range(4):
        inlet(read)
    assert came == [read] * 3
    with pytest.raises(OSError, match="no socket"):
        flow.flush()
    flow.flush()  # it is not written twice


def test_a_clock_that_fails_lets_nothing_pass() -> None:
    came: list[bytes] = []

    def broken() -> float:
        raise RuntimeError("no time")

    def charge(envelopes: int, monotonic: float) -> bool:
        raise AssertionError("nothing is charged")

    inlet = compiled.Inlet(len, 1 << 20, IS_BETWEEN)
    flow = compiled.Flow(PROTOCOL.encode(), 1 << 20, broken, float, [0, 0], lambda *_: None)
    flow.open([(inlet, came.append, b"ann", 1.0, charge, lambda _: [0, 0])])
    with pytest.raises(RuntimeError, match="no time"):
        inlet(client_frame(TEXT, envelope("ann")))
    flow.flush()

    assert came == []


@pytest.mark.parametrize("which", ["now", "monotonic", "charge", "decide", "took", "write", "otherwise"])
@pytest.mark.parametrize("is_opened_again", [False, True])
def test_whoever_is_called_may_shut_the_flow(which: str, is_opened_again: bool) -> None:  # a parameter
    written: list[bytes] = []

    def shut(caller: str) -> None:
        if caller == which and flow.is_open:
            flow.shut()
            if is_opened_again:
                flow.open([way])

    def calling(caller: str, result: Any) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if caller == "write":
                written.extend(arguments)
            shut(caller)
            return result() if callable(result) else result

        return call

    inlet = compiled.Inlet(calling("otherwise", IS_BETWEEN), 1 << 20, IS_BETWEEN)
    flow = compiled.Flow(
        PROTOCOL.encode(),
        1 << 20,
        calling("now", 0.0),
        calling("monotonic", 0.0),
        [0, 0],
        calling("took", None),
    )
    way = (
        inlet,
        calling("write", None),
        b"ann",
        1.0,
        calling("charge", IS_BETWEEN),
        calling("decide", lambda: [0, 0]),
    )
    flow.open([way])
    for _ in range(3):
        inlet(b"".join(client_frame(TEXT, envelope("ann", kind)) for kind in ("chat", "mcp/x", "chat")))
        inlet(client_frame(PING))
        if flow.is_open:
            flow.flush_but(inlet)
            flow.pay_overdue()
    gc.collect()

    assert len(server_frames(b"".join(written))) % 3 == 0  # a read is taken whole, or not
