"""
One gateway process: it holds connections, asks the core, and does as told.

The shell around `gateway.core`: `receive` is synchronous and decides once per
envelope; the broker tells `hear` each entry of a topic's order, and the effects
go to the outboxes. Nothing here has an opinion about who may do what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor, inf
from typing import Final, assert_never

import structlog

from capabilities import EMPTY, ParticipantClaims, is_revoked
from gateway.broker.protocol import Broker, BrokerUnavailable, Standing
from gateway.clock import Clock
from gateway.core import (
    Bucket,
    Close,
    ConnectionRecord,
    Deliver,
    Draft,
    Effect,
    Entry,
    Joined,
    Left,
    Member,
    Mode,
    Outbox,
    Rate,
    Refuse,
    Relayed,
    Topic,
    Welcome,
    authorize,
    judge,
    refusal,
)
from gateway.errors import GatewayError
from gateway.fanout import Fanout
from gateway.flows import Flows
from gateway.holding import Held, Holding
from gateway.metrics import Metrics
from gateway.rounds import Rounds
from schemas import CloseCode, Envelope, EnvelopeError, ErrorCode, TopicUnavailable

log = structlog.get_logger("gateway")

_JOIN_ATTEMPTS: Final = 8
"""Each one fails only because an admin changed the participant's rights within the same milliseconds."""

_TICK_S: Final = 0.5
_TURNS: Final = 4
"""Turns of the clockwork in which everybody is looked at once: ten thousand at rest should cost nothing."""

_DRAIN_TURN_S: Final = 0.05
"""Between the closes of a node that goes away."""

_LAG_S: Final = 1.0
"""From so much on a late event loop is worth a line in the log."""


class AccessRevoked(GatewayError):
    """The token was revoked before it was used to join."""

    def __str__(self) -> str:
        return "this token has been revoked"


class TopicFull(GatewayError):
    """As many connections as a topic may have are in it."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"{self.most} connections are in this topic already; come again when somebody has left"


class _JudgedAnew(Exception):
    """A join was judged by rights that have changed since."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A participant that may join: between the handshake's answer and the join."""

    claims: ParticipantClaims
    standing: Standing
    held: Held

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self.held.topic.name


class _Shared(Bucket):
    """What a participant's connections on this node have in common: how much they may send together."""

    __slots__ = ("connections",)

    def __init__(self, rate: Rate, now: float) -> None:
        super().__init__(rate, now)
        self.connections = 0


class Node:
    """
    The topics and connections of one process.

    Not thread-safe: every call comes from the event loop it was started on.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        id: str,
        clock: Clock,
        new_id: Callable[[], str],
        metrics: Metrics,
        rate: Rate,
        max_envelope_bytes: int = 1 << 20,
        max_topic_connections: int = 0,
        linger_s: float = 0.5,
    ) -> None:
        """`max_topic_connections`: on all nodes together, 0 is no bound; `linger_s`: see `Holding`."""
        self.id, self.broker, self.metrics = id, broker, metrics
        self.max_envelope_bytes = max_envelope_bytes
        self._max_topic_connections = max_topic_connections
        self.is_draining = False
        self._clock, self._new_id, self._rate = clock, new_id, rate
        self._rounds = Rounds()
        self.read_done: Callable[[], None] = self._rounds.read_done
        """
        Everything that came together has been received: deliver what it led to.

        The method itself, as a call between would cost as much: it is called for each read.
        """
        self._holding = Holding(broker, self._rounds.turn, self._disown, metrics.delivered, linger_s)
        self._flows: Flows | None = None
        if broker.is_local:
            self._flows = Flows(clock, self._rounds, metrics, max_envelope_bytes=max_envelope_bytes)
        self._homes: dict[str, Held] = {}
        """By connection."""
        self._now = self._monotonic = 0.0
        """The clocks, as they stood when what is being read began: it came together."""
        self._joining: dict[str, asyncio.Future[None]] = {}
        """By connection: done once the welcome is in its outbox."""
        self._shared: dict[str, _Shared] = {}
        self._connections = 0
        self._next_expiry = inf
        """Unix seconds; nobody's token expires before."""
        self._turn = 0
        self._unsaid: list[tuple[str, Draft]] = []
        """Leaves that the broker could not take; said again until it can."""
        self._ticking: asyncio.Task[None] | None = None

    # Life

    async def start(self) -> None:
        """
        Start the broker and the clockwork.

        Raises:
            BrokerUnavailable: the store does not answer.
        """
        await self.broker.start(self.id, self)
        self._ticking = asyncio.create_task(self._tick(), name="node.tick")
        log.info("node.started", node=self.id, **self.broker.description)

    async def stop(self) -> None:
        """Close every connection with 1012 and leave the broker."""
        self.drain()
        if self._ticking is not None:
            self._ticking.cancel()
        await self._holding.stop()
        await self.broker.stop()
        log.info("node.stopped", node=self.id)

    def drain(self) -> None:
        """Take nobody in any more and send everybody elsewhere."""
        self.is_draining = True
        for held in list(self._holding):
            self._close_all(held.topic, CloseCode.RESTART)

    async def drain_slowly(self, notice_s: float, within_s: float) -> None:
        """
        Take nobody in any more, and send everybody elsewhere a few at a time.

        Whoever balances load has `notice_s` to hear that this node is not ready;
        and a thousand members do not fall upon the other nodes at once.
        """
        self.is_draining = True
        if self.connections:
            await asyncio.sleep(notice_s)
        members = [member for held in self._holding for member in held.topic.members.values()]
        turns = min(round(within_s / _DRAIN_TURN_S), len(members))
        for turn in range(turns):
            await asyncio.sleep(_DRAIN_TURN_S)
            for member in members[turn::turns]:
                self.close(member, CloseCode.RESTART)

    @property
    def topics(self) -> dict[str, Topic]:
        """The topics that this node hears, by name."""
        return {held.topic.name: held.topic for held in self._holding}

    @property
    def connections(self) -> int:
        """Members on this node."""
        return sum(len(held.topic.members) for held in self._holding)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that sockets have not taken yet."""
        members = (member for held in self._holding for member in held.topic.members.values())
        return sum(member.outbox.waiting_bytes for member in members)

    # Joining and leaving

    async def admit(self, topic: str, claims: ParticipantClaims) -> Admission:
        """
        Make ready for a participant to join: the last thing before its handshake is answered.

        Every admission is followed by `join` or `dismiss`.

        Raises:
            AccessRevoked: its token has been revoked.
            TopicFull: as many are in the topic as may be.
            BrokerUnavailable: the store does not answer.
        """
        if self.is_draining:
            raise BrokerUnavailable("this node is going away")
        held = await self._holding.hold(topic)
        try:
            self._check_room(held)
            return await self._admission(held, claims)
        except BaseException:
            self._holding.release(held)
            raise

    def _check_room(self, held: Held) -> None:
        # The roster knows every node's; the holders here count who is on the way in, this one included.
        most = self._max_topic_connections
        if most and max(len(held.topic.roster) + 1, held.holders) > most:
            raise TopicFull(most)

    def _disown(self, held: Held) -> None:
        """
        Say that connections have ended which the topic takes for this node's.

        A store that went back to an older state has forgotten their leaves, and
        for as long as this node lives nobody else would say them.
        """
        for record in held.topic.roster.connections_of(self.id):
            if record.connection not in self._homes:
                draft = Draft(Left(record.connection, self._clock.now()), None, 0)
                self.broker.publish(held.topic.name, [draft])

    def dismiss(self, admission: Admission) -> None:
        """The participant will not join after all."""
        self._holding.release(admission.held)

    async def join(self, admission: Admission, mode: Mode, outbox: Outbox) -> Member:
        """
        Take a connection into the topic. Its outbox holds the welcome when this returns.

        Raises:
            AccessRevoked: its token was revoked meanwhile.
            BrokerUnavailable: the store did not take the join.
        """
        held, claims = admission.held, admission.claims
        if self.is_draining:
            self.dismiss(admission)
            raise BrokerUnavailable("this node is going away")
        self._connections += 1
        monotonic = self._clock.monotonic()
        record = ConnectionRecord(
            connection=f"{self.id}/{self._connections}",
            node=self.id,
            participant=claims.id,
            base=claims.capabilities.patterns,
            jti=claims.jti,
            iat=floor(claims.iat),
            at=self._clock.now(),
        )
        shared = self._shared.setdefault(claims.id, _Shared(self._rate, monotonic))
        shared.connections += 1
        member = Member(
            topic=held.topic.name,
            record=record,
            capabilities=EMPTY,
            mode=mode,
            expires_at=claims.exp,
            outbox=outbox,
            bucket=shared,
        )
        self._homes[member.connection] = held
        self._next_expiry = min(self._next_expiry, member.expires_at)
        held.topic.expect(member)
        try:
            for _ in range(_JOIN_ATTEMPTS):
                try:
                    await self._try_to_join(member, admission.standing)
                    await self.broker.remember(claims.id, record.base, record.at)
                    return member
                except _JudgedAnew:
                    admission = await self._admission(held, claims)
                    if member.ended is not None:  # and has left: to join now would be for ever
                        raise _why_not_joined(member.ended) from None
            raise BrokerUnavailable("the participant's rights change faster than it can join")
        except BaseException:
            self.leave(member)
            raise

    async def _try_to_join(self, member: Member, standing: Standing) -> None:
        amendments = [amendment.to_json() for amendment in standing.record.amendments_in(member.topic)]
        entry = Joined(member.record, standing.record.version, amendments)
        joining = self._joining[member.connection] = asyncio.get_running_loop().create_future()
        try:
            self.broker.publish(member.topic, [Draft(entry, member, standing.position)])
            await joining
        finally:
            del self._joining[member.connection]

    async def _admission(self, held: Held, claims: ParticipantClaims) -> Admission:
        topic = held.topic.name
        standing = await self.broker.standing(topic, claims.id, claims.jti)
        if standing.revocations and is_revoked(standing.revocations, claims, topic):
            raise AccessRevoked
        return Admission(claims, standing, held)

    def change_limits(self, rate: Rate, max_topic_connections: int) -> None:
        """Hold everybody to these from now on, who is here already too."""
        self._rate, self._max_topic_connections = rate, max_topic_connections
        for held in self._holding:
            for member in held.topic.members.values():
                member.bucket.change(rate)

    def leave(self, member: Member) -> None:
        """A member's connection has ended, from whichever side; told twice, it counts once."""
        held = self._homes.pop(member.connection, None)
        if held is None:
            return
        if member.ended is None:
            member.ended = CloseCode.NORMAL
        held.topic.forget(member)
        shared = self._shared[member.id]
        shared.connections -= 1
        if not shared.connections:
            del self._shared[member.id]
        self.broker.publish(member.topic, [Draft(Left(member.connection, self._clock.now()), None, 0)])
        self._holding.release(held)

    # Envelopes

    def receive(self, member: Member, messages: Sequence[bytes]) -> None:
        """
        Take what a member sent: decide once for each, then append, refuse or close.

        `read_done` follows after the last of what came together.
        """
        if self._rounds.reader is None:
            self._rounds.reader = member
            self._now, self._monotonic = self._clock.now(), self._clock.monotonic()
        allowed: list[Envelope] = []
        try:
            for data in messages:
                verdict = judge(member, data, self._now, self._monotonic, self.max_envelope_bytes)
                if isinstance(verdict, Envelope):
                    allowed.append(verdict)
                    continue
                if allowed:  # what its sender hears of the refusal comes behind what it said before
                    before, allowed = allowed, []
                    self._append(member, before)
                if isinstance(verdict, Refuse):
                    self.refuse(member, verdict.error)
                    if verdict.error.code is ErrorCode.TOO_LARGE:
                        self.close(member, CloseCode.TOO_LARGE)
                else:
                    self.close(member, verdict.code)
        finally:  # also where a fault of ours ends it
            if allowed:
                self._append(member, allowed)

    def refuse(self, member: Member, error: EnvelopeError) -> None:
        """Tell a member that something it sent goes nowhere."""
        self.metrics.refused(error.code)
        log.warning(
            "envelope.refused",
            **_of(member),
            envelope_id=error.envelope_id,
            reason=str(error.code),
            why=str(error),
        )
        home = self._homes.get(member.connection)
        if home is not None:
            home.end_flow()
            data = refusal(id=self._new_id(), at=self._clock.now(), to=member.id, error=error)
            home.fanout.tell(data, member)
            self._rounds.touch(home.fanout)

    def close(self, member: Member, code: CloseCode) -> None:
        """End a member's connection: what it was to hear goes out, what it says counts no more."""
        if member.ended is not None:
            return
        member.ended = code
        self.metrics.closed(code)
        log.info("connection.closed", **_of(member), code=int(code), reason=code.name)
        home = self._homes.get(member.connection)
        if home is not None:
            home.end_flow()
            home.fanout.flush()
        member.outbox.close(code)
        self._fail_joining(member, _why_not_joined(code))
        # Its socket may take seconds to close; what it says counts no more, so it has left.
        self.leave(member)

    def _append(self, member: Member, envelopes: Sequence[Envelope]) -> None:
        held = self._holding.find(member.topic)
        if held is None:
            for envelope in envelopes:
                self.refuse(member, _unavailable(envelope.id))
            return
        connection, position = member.connection, held.topic.position
        drafts: list[Draft] = []
        for envelope in envelopes:
            data = envelope.data
            self.metrics.relayed(envelope.kind.family, len(data))
            drafts.append(Draft(Relayed(connection, envelope.sender, envelope.to, data), member, position))
        self.broker.publish(member.topic, drafts)
        if self._flows is not None:
            self._flows.read(held)

    # What the broker tells

    def hear(self, topic: str, position: int, entries: Sequence[Entry]) -> None:
        """The next entries of a topic's order (`Hearer`)."""
        held = self._holding.find(topic)
        if held is not None:
            held.end_flow()
            for effect in held.topic.apply(position, entries):
                self._perform(effect, held.fanout)

    def stale(self, topic: str, drafts: Sequence[Draft]) -> None:
        """Judge these again, by the rights that count now (`Hearer`)."""
        for draft in drafts:
            member = draft.member
            if isinstance(draft.entry, Joined) and member is not None:
                self._fail_joining(member, _JudgedAnew())
            elif isinstance(draft.entry, Relayed) and member is not None:
                if member.ended is None:
                    self._judge_again(member, Envelope.parse(draft.entry.data))
            elif isinstance(draft.entry, Left):
                self.broker.publish(topic, [draft])

    def _judge_again(self, member: Member, envelope: Envelope) -> None:
        error = authorize(member, envelope)
        if error is None:
            self._append(member, [envelope])
        else:
            error.envelope_id = envelope.id
            self.refuse(member, error)

    def unavailable(self, topic: str, drafts: Sequence[Draft]) -> None:
        """These were not appended: their senders hear it (`Hearer`)."""
        for draft in drafts:
            if isinstance(draft.entry, Left):
                self._unsaid.append((topic, draft))
            elif isinstance(draft.entry, Joined) and draft.member is not None:
                self._fail_joining(draft.member, BrokerUnavailable("the join was not taken"))
            elif isinstance(draft.entry, Relayed) and draft.member is not None:
                self.refuse(draft.member, _unavailable(Envelope.parse(draft.entry.data).id))

    def lost(self, topic: str) -> None:
        """The topic's order is broken here: close its members, who may come back (`Hearer`)."""
        held = self._holding.lose(topic)
        if held is None:
            return
        log.warning(
            "topic.lost", topic=topic, members=len(held.topic.members), next="members reconnect (1012)"
        )
        self._close_all(held.topic, CloseCode.RESTART)

    def _fail_joining(self, member: Member, why: Exception) -> None:
        joining = self._joining.get(member.connection)
        if joining is not None and not joining.done():
            joining.set_exception(why)

    # Effects

    def _perform(self, effect: Effect, fanout: Fanout) -> None:
        match effect:
            case Deliver():
                if effect.receivers:
                    fanout.deliver(effect.envelopes, effect.receivers)
                if effect.also:
                    fanout.deliver_also(effect.envelopes, effect.also)
                self._rounds.touch(fanout)
            case Welcome():
                fanout.tell(effect.data, effect.member)
                self._rounds.touch(fanout)
                joining = self._joining.get(effect.member.connection)
                if joining is not None and not joining.done():
                    joining.set_result(None)
            case Close():
                self.close(effect.member, effect.code)
            case _:
                assert_never(effect)

    def _close_all(self, topic: Topic, code: CloseCode) -> None:
        for member in list(topic.members.values()):
            self.close(member, code)

    # Clockwork

    async def _tick(self) -> None:
        """End what has expired; say again what could not be said."""
        last = self._clock.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            monotonic = self._clock.monotonic()
            lag, last = max(0.0, monotonic - last - _TICK_S), monotonic
            self.metrics.loop_lagged(lag)
            if lag >= _LAG_S:
                log.warning(
                    "loop.lagged",
                    seconds=round(lag, 1),
                    connections=self.connections,
                    next="nothing was decided meanwhile; look for what kept the process from running",
                )
            try:
                await self.tick()
            except BrokerUnavailable as error:
                log.warning("node.could_not_tick", why=str(error), next="tries again in half a second")

    async def tick(self) -> None:
        """One turn of the clockwork."""
        now = self._clock.now()
        if now >= self._next_expiry:
            self._expire(now)
        self._turn = (self._turn + 1) % _TURNS
        for held in list(self._holding)[self._turn :: _TURNS]:
            if held.was_given:
                self._look_at(held)
        unsaid, self._unsaid = self._unsaid, []
        for topic, draft in unsaid:
            self.broker.publish(topic, [draft])
        for participant in _due(self._holding, now):
            await self.broker.amend(participant, lambda record: record.amendments_at(now), now)

    def _look_at(self, held: Held) -> None:
        """Close who is behind; once nobody has anything waiting, nobody is asked until there is more."""
        waiting = [member for member in held.topic.members.values() if member.outbox.waiting_bytes]
        held.fanout.was_given = bool(waiting) or not held.fanout.is_idle
        if held.flow is not None:
            held.flow.was_given = not held.flow.is_idle
        for member in waiting:
            if member.outbox.is_behind():
                self.close(member, CloseCode.SLOW_CONSUMER)

    def _expire(self, now: float) -> None:
        """Close those whose token has expired, and find out who is next."""
        members = [member for held in self._holding for member in held.topic.members.values()]
        self._next_expiry = min((each.expires_at for each in members if each.expires_at > now), default=inf)
        for member in members:
            if now >= member.expires_at:
                self.close(member, CloseCode.TOKEN_EXPIRED)


def _due(held: Iterable[Held], now: float) -> list[str]:
    """Participants with a promotion that has expired, each once."""
    due: dict[str, None] = {}
    for each in held:
        if each.topic.roster.has_promotions:
            due.update(dict.fromkeys(each.topic.roster.expired(now)))
    return list(due)


def _why_not_joined(code: CloseCode) -> GatewayError:
    return AccessRevoked() if code is CloseCode.REVOKED else BrokerUnavailable("closed while joining")


def _unavailable(envelope_id: str) -> TopicUnavailable:
    error = TopicUnavailable()
    error.envelope_id = envelope_id
    return error


def _of(member: Member) -> dict[str, str]:
    return {"topic": member.topic, "participant": member.id, "connection": member.connection}
