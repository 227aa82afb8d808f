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


class Sentinels:
    """Links to all of them, kept open between questions."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._links: dict[Address, Link] = {}
        self._asking = asyncio.Lock()

    async def master(self) -> Address:
        """
        Return where the master is, as the best informed of the Sentinels says.

        Raises:
            BrokerUnavailable: none of them answers, or none knows a master of that name.
        """
        servers, name = self._place.servers, self._place.master
        async with self._asking:
            outcomes = await asyncio.gather(*map(self._ask, servers), return_exceptions=True)
        answers: list[_Answer] = []
        reasons: list[str] = []
        for sentinel, outcome in zip(servers, outcomes, strict=True):
            if isinstance(outcome, _Answer):
                answers.append(outcome)
            elif isinstance(outcome, TimeoutError):
                reasons.append(f"{sentinel} does not answer")
            elif isinstance(outcome, OSError | LinkLost | Refused):
                reasons.append(f"{sentinel}: {outcome}")
            else:
                raise outcome
        if not answers:
            raise BrokerUnavailable(f"no Sentinel knows the master {name!r} ({'; '.join(reasons)})")
        newest = max(answers, key=lambda answer: answer.epoch)
        return self._place.redis.at(newest.host, newest.port)

    def close(self) -> None:
        """Ask nobody any more."""
        for link in self._links.values():
            link.abort("no more questions")
        self._links.clear()

    async def _ask(self, sentinel: Address) -> _Answer:
        try:
            async with asyncio.timeout(_WITHIN_S):
                link = self._links.get(sentinel)
                if link is None or link.ended.is_set():
                    link = self._links[sentinel] = await Link.open(sentinel, _unheard, _unheard)
                    await greet(link, sentinel, "asks-for-master")
                facts: Any = await link.ask("SENTINEL", "MASTER", self._place.master)
        except BaseException:
            if (failed := self._links.pop(sentinel, None)) is not None:
                failed.abort("it did not answer")
            raise
        return _Answer(int(facts[b"config-epoch"]), facts[b"ip"].decode(), int(facts[b"port"]))


def _unheard(*_: bytes) -> None:
    """Nothing is subscribed to."""
