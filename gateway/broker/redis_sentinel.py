"""Asking Sentinels which server is the master."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from gateway.broker.redis_address import Address, Place
from gateway.broker.redis_link import Link, LinkLost, Refused
from gateway.broker.redis_session import greet
from gateway.errors import BrokerUnavailable

_WITHIN_S: Final = 1.0
"""For one Sentinel's answer: the others answer at the same time."""


@dataclass(frozen=True, slots=True)
class _Answer:
    epoch: int
    """Rises with each failover, so the highest is the newest, whatever an isolated Sentinel believes."""
    host: str
    port: int


async def find_master(place: Place) -> Address:
    """
    Return where the master is, as the best informed of the Sentinels says.

    Raises:
        BrokerUnavailable: none of them answers, or none knows a master of that name.
    """
    outcomes = await asyncio.gather(
        *(_ask(sentinel, place.master) for sentinel in place.servers), return_exceptions=True
    )
    answers: list[_Answer] = []
    reasons: list[str] = []
    for sentinel, outcome in zip(place.servers, outcomes, strict=True):
        if isinstance(outcome, _Answer):
            answers.append(outcome)
        elif isinstance(outcome, TimeoutError):
            reasons.append(f"{sentinel} does not answer")
        elif isinstance(outcome, OSError | LinkLost | Refused):
            reasons.append(f"{sentinel}: {outcome}")
        else:
            raise outcome
    if not answers:
        raise BrokerUnavailable(f"no Sentinel knows the master {place.master!r} ({'; '.join(reasons)})")
    newest = max(answers, key=lambda answer: answer.epoch)
    return place.redis.at(newest.host, newest.port)


async def _ask(sentinel: Address, master: str) -> _Answer:
    link: Link | None = None
    try:
        async with asyncio.timeout(_WITHIN_S):
            link = await Link.open(sentinel, _unheard, _unheard)
            await greet(link, sentinel, "looks-for-master")
            facts: Any = await link.ask("SENTINEL", "MASTER", master)
    finally:
        if link is not None:
            link.abort("it was asked")
    return _Answer(int(facts[b"config-epoch"]), facts[b"ip"].decode(), int(facts[b"port"]))


def _unheard(*_: bytes) -> None:
    """Nothing is subscribed to."""
