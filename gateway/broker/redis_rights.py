"""
Rights kept in Redis: promotions and revocations, and how they come into force.

A change is written first and said second, in every live topic, by the same
script that appends envelopes; a node reads where the topic stands before it
reads the rights. So whoever judged by the old ones is stale in each topic from
the moment its script returned, and nobody who joins later sees the old ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import msgspec

from capabilities import Amendment, Revocation, with_revocation
from gateway.broker.protocol import Ending, ParticipantRecord, Standing
from gateway.broker.redis_frame import read_record
from gateway.broker.redis_keys import Keys
from gateway.broker.redis_scripts import SWAP, command
from gateway.core import Amended, ConnectionRecord, Ended, Entry, token_subject
from gateway.errors import BrokerUnavailable

_ATTEMPTS: Final = 64
"""Each fails only because another change of the same participant came between."""

_AT_ONCE: Final = 64
"""Topics told at the same time."""

_json: Final = msgspec.json.Decoder()


class Store(Protocol):
    """What rights need of the broker. Both raise `BrokerUnavailable`."""

    async def ask_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]:
        """Carry out commands in this order, of which each may be carried out twice."""
        ...

    async def say(self, topic: str, entry: Entry) -> list[Any]:
        """Append an entry of the broker's own to a topic, if there is one, and return the script's reply."""
        ...


class Rights:
    """The rights half of `Broker`."""

    def __init__(self, store: Store, keys: Keys, now: Callable[[], float]) -> None:
        self._store, self._keys, self._now = store, keys, now

    async def standing(self, topic: str, participant: str, jti: str) -> Standing:
        fields = [
            _field(subject, where) for subject in (participant, token_subject(jti)) for where in (None, topic)
        ]
        # The topic's position comes first: a change after it makes what is judged by this stale.
        position, rights, seen, revoked = await self._store.ask_all(
            [
                ["HGET", self._keys.of(topic)[0], "seq"],
                ["HGET", self._keys.rights, participant],
                ["HGET", self._keys.seen, participant],
                ["HMGET", self._keys.revoked, *fields],
            ]
        )
        now = self._now()
        meant = [
            revocation for raw in revoked for revocation in _revocations(raw) if now < revocation.expires_at
        ]
        return Standing(int(position or 0), _record(participant, rights, seen), tuple(meant))

    async def remember(self, participant: str, base: Sequence[str], at: float) -> None:
        await self._store.ask_all(
            [["HSET", self._keys.seen, participant, msgspec.json.encode({"base": list(base), "at": at})]]
        )

    async def participant(self, id: str) -> ParticipantRecord | None:
        rights, seen = await self._store.ask_all(
            [["HGET", self._keys.rights, id], ["HGET", self._keys.seen, id]]
        )
        return _record(id, rights, seen) if rights or seen else None

    async def participants(self) -> Sequence[ParticipantRecord]:
        rights, seen = await self._store.ask_all(
            [["HGETALL", self._keys.rights], ["HGETALL", self._keys.seen]]
        )
        ids = sorted({*rights, *seen})
        return [_record(id.decode(), rights.get(id), seen.get(id)) for id in ids]

    async def amend(
        self, participant: str, change: Callable[[ParticipantRecord], Sequence[Amendment]], at: float
    ) -> ParticipantRecord:
        for _ in range(_ATTEMPTS):
            rights, seen = await self._store.ask_all(
                [["HGET", self._keys.rights, participant], ["HGET", self._keys.seen, participant]]
            )
            before = _record(participant, rights, seen)
            amendments = tuple(change(before))
            if amendments == before.amendments:
                # Perhaps written by a call that failed before every topic had heard: say it again.
                record = before
                break
            record = replace(before, amendments=amendments, version=before.version + 1)
            packed = msgspec.json.encode(
                {"version": record.version, "amendments": [amendment.to_json() for amendment in amendments]}
            )
            swap = command(SWAP, [self._keys.rights], participant, rights or b"", packed)
            if (await self._store.ask_all([swap]))[0]:
                break
        else:
            raise BrokerUnavailable("the participant's rights change faster than they can be changed")
        if not record.version:
            return record
        concerned = [
            topic
            for topic in await self._topics()
            if record is before or before.amendments_in(topic) != record.amendments_in(topic)
        ]

        def amended(topic: str) -> Amended:
            in_force = [amendment.to_json() for amendment in record.amendments_in(topic)]
            return Amended(participant, record.version, in_force, at)

        await _for_all(concerned, lambda topic: self._store.say(topic, amended(topic)))
        return record

    async def revoke(self, revocation: Revocation, ended: Ended) -> Ending:
        subject = revocation.participant if revocation.jti is None else token_subject(revocation.jti)
        assert subject is not None, "a revocation names a token or a participant"
        await self._change_revocations(
            _field(subject, revocation.topic),
            lambda kept: with_revocation(kept, revocation),
        )
        return await self.end(revocation.topic, ended)

    async def end(self, topic: str | None, ended: Ended) -> Ending:
        topics = await self._topics() if topic is None else [topic]
        replies = await _for_all(topics, lambda name: self._store.say(name, ended))
        closed: list[ConnectionRecord] = []
        reached: list[str] = []
        for name, reply in zip(topics, replies, strict=True):
            if reply[0] == b"ok":
                reached.append(name)
                if reply[1] > 0:
                    closed.extend(read_record(packed) for packed in reply[2:])
        return Ending(tuple(closed), tuple(reached))

    async def revocations(self) -> Sequence[Revocation]:
        (raw,) = await self._store.ask_all([["HGETALL", self._keys.revoked]])
        now = self._now()
        kept: list[Revocation] = []
        for field, value in raw.items():
            living = [each for each in _revocations(value) if now < each.expires_at]
            kept.extend(living)
            if not living:
                await self._change_revocations(field, lambda each: each)
        return sorted(kept, key=lambda revocation: revocation.at)

    async def _change_revocations(
        self, field: str | bytes, change: Callable[[list[Revocation]], list[Revocation]]
    ) -> None:
        """Change what is kept of one subject; what has expired goes on the way."""
        for _ in range(_ATTEMPTS):
            (raw,) = await self._store.ask_all([["HGET", self._keys.revoked, field]])
            now = self._now()
            kept = change([each for each in _revocations(raw) if now < each.expires_at])
            packed = msgspec.json.encode([each.to_json() for each in kept]) if kept else b""
            swap = command(SWAP, [self._keys.revoked], field, raw or b"", packed)
            if (await self._store.ask_all([swap]))[0]:
                return
        raise BrokerUnavailable("the revocations change faster than they can be changed")

    async def _topics(self) -> list[str]:
        (names,) = await self._store.ask_all([["HKEYS", self._keys.topics]])
        return sorted(name.decode() for name in names)


async def _for_all(topics: Iterable[str], say: Callable[[str], Awaitable[list[Any]]]) -> list[list[Any]]:
    """Say something in each topic; wait for all, and only then raise what went wrong."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(topic: str) -> list[Any]:
        async with room:
            return await say(topic)

    outcomes = await asyncio.gather(*(one(topic) for topic in topics), return_exceptions=True)
    replies: list[list[Any]] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        replies.append(outcome)
    return replies


def _field(subject: str, topic: str | None) -> str:
    return f"{topic or ''} {subject}"  # a topic has no space


def _record(id: str, rights: bytes | None, seen: bytes | None) -> ParticipantRecord:
    held: dict[str, Any] = _json.decode(rights) if rights else {"version": 0, "amendments": []}
    last: dict[str, Any] = _json.decode(seen) if seen else {"base": [], "at": 0.0}
    return ParticipantRecord(
        id,
        version=held["version"],
        amendments=tuple(Amendment.from_json(amendment) for amendment in held["amendments"]),
        base=tuple(last["base"]),
        seen_at=last["at"],
    )


def _revocations(raw: bytes | None) -> list[Revocation]:
    return [Revocation.from_json(value) for value in _json.decode(raw)] if raw else []
