"""Admins: what they ask of the broker is what the admin API asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from capabilities import Amendment, Change, Effect, Revocation
from gateway.broker.protocol import BrokerUnavailable, ParticipantRecord
from gateway.core import Ended
from schemas import CloseCode
from tests.history import Answered, Asked
from tests.simulation.members import SAID_IN_S

if TYPE_CHECKING:
    from tests.simulation.nodes import NodeProcess
    from tests.simulation.world import World


class Admins:
    """Each call runs in the process of a node, and ends with it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def change(
        self,
        process: NodeProcess,
        act: str,
        participant: str,
        topic: str | None,
        pattern: str,
        ttl_s: float | None = None,
    ) -> None:
        """Add, remove or revert one pattern."""
        world = self._world
        expires_at = None if ttl_s is None else world.clock.now() + ttl_s

        def changed(record: ParticipantRecord) -> tuple[Amendment, ...]:
            mine = next(
                (each for each in record.amendments if each.topic == topic), Amendment(participant, topic)
            )
            others = tuple(each for each in record.amendments if each.topic != topic)
            kept = tuple(change for change in mine.changes if change.pattern != pattern)
            if act != "revert":
                kept = (*kept, Change(pattern, Effect.ADDED if act == "add" else Effect.REMOVED, expires_at))
            if kept == mine.changes:
                return record.amendments
            return (*others, replace(mine, changes=kept)) if kept else others

        async def do() -> None:
            world.under_way.append(participant)  # and for ever, if the process is killed meanwhile
            try:
                await process.broker.amend(participant, changed, world.clock.now())
            except BrokerUnavailable:
                world.under_way.append(participant)
                raise
            finally:
                world.under_way.remove(participant)

        call = self._call(process, do)
        world.note(
            Asked(
                at=world.loop.time(),
                call=call,
                act=act,
                participant=participant,
                topic=topic,
                pattern=pattern,
            )
        )
        if ttl_s is not None:
            world.not_before = max(world.not_before, world.loop.time() + ttl_s + SAID_IN_S)
            world.loop.call_outside(ttl_s, self._ran_out, participant, topic, pattern)

    def _ran_out(self, participant: str, topic: str | None, pattern: str) -> None:
        """From now on the pattern may be gone, and nobody says when."""
        at, call = self._world.loop.time(), self._world.number("a")
        self._world.note(
            Asked(at=at, call=call, act="revert", participant=participant, topic=topic, pattern=pattern)
        )

    def revoke(
        self, process: NodeProcess, *, jti: str | None, participant: str | None, topic: str | None
    ) -> None:
        """Take back one token, or all that a participant has."""
        world = self._world
        now = world.clock.now()
        if jti is not None:
            revocation = Revocation.of_token(jti, by="admin", at=now, max_lifetime_s=3600, topic=topic)
        else:
            assert participant is not None
            revocation = Revocation.of_participant(
                participant, by="admin", at=now, max_lifetime_s=3600, topic=topic
            )
        until = None if revocation.until_iat is None else int(revocation.until_iat)
        ended = Ended(int(CloseCode.REVOKED), now, revocation.participant, revocation.jti, until)

        async def do() -> None:
            await process.broker.revoke(revocation, ended)

        call = self._call(process, do)
        world.note(
            Asked(
                at=world.loop.time(),
                call=call,
                act="revoke",
                participant=revocation.participant,
                topic=topic,
                jti=revocation.jti,
                iat_until=until,
            )
        )

    def disconnect(self, process: NodeProcess, participant: str, topic: str | None) -> None:
        """End a participant's connections, which may come back."""
        world = self._world
        ended = Ended(int(CloseCode.DISCONNECTED), world.clock.now(), participant)

        async def do() -> None:
            await process.broker.end(topic, ended)

        call = self._call(process, do)
        world.note(
            Asked(at=world.loop.time(), call=call, act="disconnect", participant=participant, topic=topic)
        )

    def _call(self, process: NodeProcess, do: Callable[[], Awaitable[None]]) -> str:
        world, call = self._world, self._world.number("a")

        async def run() -> None:
            try:
                await do()
            except BrokerUnavailable:
                world.note(Answered(at=world.loop.time(), call=call, ok=False))
            else:
                world.note(Answered(at=world.loop.time(), call=call))

        world.calls.append(world.loop.create_task(run(), context=process.context))
        return call
