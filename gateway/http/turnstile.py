"""How many may be inside at once, and how often one may come: floods, idle sockets, storms of presence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.core import Bucket, Rate
from gateway.http.problems import Problem, ProblemCode

_REMEMBERED: Final = 1_000
"""Participants whose pace is kept in any case; of more, those who have rested are forgotten now and then."""


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """How many connections this node holds open; 0 is no bound."""

    per_token: int = 64
    per_address: int = 0
    """Behind a balancer everybody has the balancer's address."""
    joins: Rate = field(default_factory=lambda: Rate(20, 200))
    """How often one participant may come: each time is told to everybody in the topic."""


@dataclass(slots=True, eq=False)
class Pass:
    """Leave to hold one connection open; `Turnstile.leave` takes it back."""

    jti: str
    address: str
    is_used: bool = True


class Turnstile:
    """Counts who is inside. One per node: the counts of other nodes are theirs."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._by_token: dict[str, int] = {}
        self._by_address: dict[str, int] = {}
        self._paces: dict[str, Bucket] = {}
        self._most_paces = _REMEMBERED

    def change(self, limits: DoorLimits) -> None:
        """Hold whoever comes from now on to these limits."""
        self._limits = limits
        self._paces.clear()

    def enter(self, *, jti: str, participant: str, address: str, monotonic: float) -> Pass:
        """
        Let one connection in; every pass is brought back by `leave`.

        Raises:
            Problem: `too_many_connections`, or `too_many_requests` saying when to come again.
        """
        limits = self._limits
        by_token, by_address = self._by_token.get(jti, 0), self._by_address.get(address, 0)
        if limits.per_token and by_token >= limits.per_token:
            raise _too_many("token", limits.per_token)
        if limits.per_address and address and by_address >= limits.per_address:
            raise _too_many("address", limits.per_address)
        wait_ms = self._pace_of(participant, monotonic).take(monotonic)
        if wait_ms:
            raise Problem(
                ProblemCode.TOO_MANY_REQUESTS,
                "You connect more often than is allowed; come again later",
                retry_after_s=-(-wait_ms // 1000),
            )
        self._by_token[jti] = by_token + 1
        self._by_address[address] = by_address + 1
        return Pass(jti, address)

    def leave(self, used: Pass) -> None:
        """Take a pass back; told twice, it counts once."""
        if not used.is_used:
            return
        used.is_used = False
        for counts, name in ((self._by_token, used.jti), (self._by_address, used.address)):
            counts[name] -= 1
            if not counts[name]:
                del counts[name]

    def _pace_of(self, participant: str, monotonic: float) -> Bucket:
        pace = self._paces.get(participant)
        if pace is None:
            if len(self._paces) >= self._most_paces:
                self._paces = {id: each for id, each in self._paces.items() if not each.is_full(monotonic)}
                self._most_paces = max(_REMEMBERED, 2 * len(self._paces))  # so that looking costs little
            pace = self._paces[participant] = Bucket(self._limits.joins, monotonic)
        return pace


def _too_many(per: str, most: int) -> Problem:
    why = f"There are {most} connections of this {per} here already; close one, or come again later"
    return Problem(ProblemCode.TOO_MANY_CONNECTIONS, why, per=per, most=most)
