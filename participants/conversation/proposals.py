"""
The proposals of a topic: which are pending, and what ended the others (MCPx 3.2, 10.2).

Whoever is a target needs it to run a fulfillment once; whoever approves, to
see what is left to decide. Memory is bounded by count and by bytes, and who
fills it up pushes out their own proposals first.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from participants.conversation.events import How, Proposal, Settlement
from participants.conversation.settling import Attempt, Outline, fault_of

PROPOSALS_REMEMBERED: Final = 10_000
BYTES_REMEMBERED: Final = 64 << 20
"""Bytes of params of pending proposals; settled ones keep a digest."""
EARLY_REMEMBERED: Final = 1_000
"""Proposals not seen yet whose endings are kept, in case the proposal is sent again."""
EARLY_EACH: Final = 32
EARLY_EACH_SENDER: Final = 2
"""Nobody crowds out the endings of others."""

_ENTRY_BYTES: Final = 512
"""What a proposal weighs beside its params, roughly."""


@dataclass(slots=True)
class Tracked:
    """A proposal, and what ended it."""

    proposal: Proposal
    """Without params once it is settled."""
    outline: Outline
    weight: int
    settlement: Settlement | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody proposed this here, as far as is known."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """Nobody proposed this here, as far as is known; but somebody has fulfilled it."""

    first: Settlement


@dataclass(frozen=True, slots=True)
class Faulty:
    """The attempt does not count."""

    why: str


@dataclass(frozen=True, slots=True)
class Late:
    """The attempt would count, had nothing come before."""

    proposal: Proposal
    outline: Outline
    first: Settlement


@dataclass(frozen=True, slots=True)
class Settled:
    """The attempt is the first that counts."""

    proposal: Proposal
    """With its params."""
    outline: Outline


Verdict = Unknown | Repeated | Faulty | Late | Settled


class ProposalBook:
    """Every proposal heard, within bounds."""

    def __init__(self, limit: int = PROPOSALS_REMEMBERED, limit_bytes: int = BYTES_REMEMBERED) -> None:
        self._limit, self._limit_bytes = limit, limit_bytes
        self._tracked: OrderedDict[str, Tracked] = OrderedDict()
        self._bytes = 0
        self._weights: Counter[str] = Counter()
        self._expiries: list[tuple[float, str]] = []
        self._early: OrderedDict[str, list[Attempt]] = OrderedDict()

    def get(self, id: str) -> Tracked | None:
        """Return a proposal that is remembered."""
        return self._tracked.get(id)

    def pending(self, now: float) -> list[Proposal]:
        """Return the proposals that can be fulfilled, oldest first."""
        return [
            tracked.proposal
            for tracked in self._tracked.values()
            if tracked.settlement is None and not tracked.proposal.is_expired(now)
        ]

    def add(self, proposal: Proposal, size: int) -> Settlement | None:
        """
        Remember a proposal of `size` bytes; return what ended it before it was seen.

        Who joined after a proposal may hear its reject first, and the proposal
        afterwards, when its proposer sends it again for the newcomer.
        """
        tracked = Tracked(proposal, Outline.of(proposal), size + _ENTRY_BYTES)
        self._tracked[proposal.id] = tracked
        self._weigh(proposal.proposer, tracked.weight)
        for attempt in self._early.pop(proposal.id, ()):
            in_time = proposal.expires_at is None or attempt.at < proposal.expires_at
            if in_time and fault_of(attempt, tracked.outline) is None:
                self._settle(tracked, attempt.settlement)
                break
        if tracked.settlement is None and proposal.expires_at is not None:
            self._push_expiry(proposal.expires_at, proposal.id)
        settlement = tracked.settlement
        self._make_room()
        return settlement

    def attempt(self, proposal_id: str, attempt: Attempt) -> Verdict:
        """Judge an attempt to end a proposal, and settle the proposal if it counts."""
        tracked = self._tracked.get(proposal_id)
        if tracked is None:
            first = self._fulfilled_early(proposal_id, attempt)
            self._keep_early(proposal_id, attempt)
            return Unknown() if first is None else Repeated(first.settlement)
        why = fault_of(attempt, tracked.outline)
        if why is not None:
            return Faulty(why)
        if tracked.settlement is not None:
            return Late(tracked.proposal, tracked.outline, tracked.settlement)
        if tracked.proposal.is_expired(attempt.at):
            expired = Settlement(How.EXPIRED, None, attempt.at)
            self._settle(tracked, expired)
            return Late(tracked.proposal, tracked.outline, expired)
        proposal = tracked.proposal
        self._settle(tracked, attempt.settlement)
        return Settled(proposal, tracked.outline)

    def lapse(self, now: float) -> list[Proposal]:
        """End the pending proposals whose time is over, and return them."""
        lapsed: list[Proposal] = []
        while self._expiries and self._expiries[0][0] <= now:
            expires_at, id = heapq.heappop(self._expiries)
            tracked = self._tracked.get(id)
            if (
                tracked is not None
                and tracked.settlement is None
                and tracked.proposal.expires_at == expires_at
            ):
                lapsed.append(tracked.proposal)
                self._settle(tracked, Settlement(How.EXPIRED, None, expires_at))
        return lapsed

    def next_expiry(self) -> float | None:
        """Return when `lapse` has something to do, in Unix seconds; perhaps a little early."""
        return self._expiries[0][0] if self._expiries else None

    def _settle(self, tracked: Tracked, settlement: Settlement) -> None:
        tracked.settlement = settlement
        tracked.proposal = replace(tracked.proposal, params={})
        self._weigh(tracked.proposal.proposer, _ENTRY_BYTES - tracked.weight)
        tracked.weight = _ENTRY_BYTES

    def _push_expiry(self, expires_at: float, id: str) -> None:
        heapq.heappush(self._expiries, (expires_at, id))
        if len(self._expiries) > 2 * self._limit:
            self._expiries = [
                (at, known)
                for at, known in self._expiries
                if (tracked := self._tracked.get(known)) is not None and tracked.settlement is None
            ]
            heapq.heapify(self._expiries)

    def _weigh(self, proposer: str, weight: int) -> None:
        self._bytes += weight
        self._weights[proposer] += weight

    def _make_room(self) -> None:
        while len(self._tracked) > self._limit or self._bytes > self._limit_bytes:
            heaviest = max(self._weights, key=self._weights.__getitem__)
            id = next(id for id, known in self._tracked.items() if known.outline.proposer == heaviest)
            tracked = self._tracked.pop(id)
            self._weigh(heaviest, -tracked.weight)
            if not self._weights[heaviest]:
                del self._weights[heaviest]

    def _fulfilled_early(self, proposal_id: str, attempt: Attempt) -> Attempt | None:
        """Return the fulfillment before this one, which who missed the proposal knows it by."""
        for known in self._early.get(proposal_id, ()):
            if known.how is How.FULFILLED is attempt.how and known.kind == attempt.kind:
                return known
        return None

    def _keep_early(self, proposal_id: str, attempt: Attempt) -> None:
        if attempt.how is How.REJECTED and not attempt.may_request:
            return  # would count for no proposal
        attempts = self._early.setdefault(proposal_id, [])
        by_sender = sum(known.by == attempt.by for known in attempts)
        if len(attempts) < EARLY_EACH and by_sender < EARLY_EACH_SENDER:
            attempts.append(attempt)
        if len(self._early) > EARLY_REMEMBERED:
            self._early.popitem(last=False)
