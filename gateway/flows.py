"""
Flows: what is decided once for many envelopes, in a small topic while nothing changes there.

The first reads of a topic are judged, ordered and delivered one by one. After some in a row a flow is
opened: from then on C takes what its members send (`_flow.c`). It asks `authorize` once for each
member and kind (it keeps a few), and again when the topic's next flow is opened; expiry and rate it
looks at each time. Whatever is more than a plain envelope that may pass is left to Python, and
whatever changes anything ends the flow (`Held.end_flow`).

Only where the order is this process's own: an envelope needs no place then but the one in which it
is written. Without a compiler there are no flows, and nothing else is different.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from gateway.clock import Clock
from gateway.core import Member, authorize
from gateway.fanout import SMALL
from gateway.holding import Held
from gateway.metrics import Metrics
from gateway.rounds import Rounds
from gateway.transport import MakeInlet
from schemas import PROTOCOL, Envelope, EnvelopeError

if TYPE_CHECKING:
    from gateway._flow import Flow, Inlet, Way
else:
    try:
        from gateway._flow import Flow, Inlet
    except ImportError:  # there was no compiler when this was installed
        Flow = Inlet = None

READS: Final = 16
"""So many reads of a topic are decided one by one before a flow is opened, or tried again."""


@runtime_checkable
class Tappable(Protocol):
    """A member's outbox whose connection lets its reads be taken past it."""

    def tap(self, make: MakeInlet, /) -> tuple[object, Callable[[bytes], object]] | None:
        """Return what gets its reads, and what writes frames to it; `None` if that cannot be now."""
        ...


class Flows:
    """Opens the flows of one node."""

    def __init__(self, clock: Clock, rounds: Rounds, metrics: Metrics, *, max_envelope_bytes: int) -> None:
        self._clock, self._rounds, self._metrics = clock, rounds, metrics
        self._max_envelope_bytes = max_envelope_bytes
        self.has_any = Flow is not None
        """Whether there are flows at all."""

    def read(self, held: Held) -> None:
        """Say that a read of this topic was decided in Python."""
        held.reads += 1
        if not held.reads % READS and held.fanout.is_small and self.has_any:
            self._rounds.turn(partial(self._open, held))

    def _open(self, held: Held) -> None:
        members = held.topic.everybody()
        if held.flow is not None or not members or len(members) > SMALL:
            return
        ways = [way for member in members if (way := self._way(member)) is not None]
        if len(ways) == len(members):
            held.fanout.flush()  # then nothing is pending there, or owed
            flow = Flow(
                PROTOCOL.encode(),
                self._max_envelope_bytes,
                self._clock.now,
                self._clock.monotonic,
                self._metrics.all_delivered,
                self._rounds.took,
            )
            flow.open(ways)
            held.flow = flow

    def _way(self, member: Member) -> Way | None:
        if member.ended is not None or not isinstance(member.outbox, Tappable):
            return None
        tapped = member.outbox.tap(Inlet)
        if tapped is None:
            return None
        inlet, write = tapped
        assert isinstance(inlet, Inlet)
        decide = partial(self._decide, member)
        return (inlet, write, member.id.encode(), member.expires_at, member.bucket.take_all, decide)

    def _decide(self, member: Member, data: bytes) -> list[int] | None:
        """Return what counts envelopes like this one, if its sender may send it."""
        if member.streak is not None:
            return None  # what `judge` lets pass ends it
        try:
            envelope = Envelope.parse(data)
        except EnvelopeError:
            return None
        if authorize(member, envelope) is not None:
            return None
        return self._metrics.relayed_of(envelope.kind.family)
