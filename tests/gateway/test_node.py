"""The node: what the core decides is carried out, whatever the broker and the admins do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from capabilities import Amendment, CapabilitySet, Change, ParticipantClaims, Revocation
from capabilities import Effect as ChangeEffect
from gateway.broker.memory import MemoryBroker
from gateway.broker.protocol import BrokerUnavailable
from gateway.clock import ManualClock
from gateway.core import ConnectionRecord, Draft, Ended, Joined, Left, Member, Mode, Rate, Relayed
from gateway.metrics import Metrics
from gateway.node import AccessRevoked, Node
from schemas import CloseCode, JsonObject
from tests.gateway.seats import RecordingOutbox, envelope, outbox
from tests.requirements import spec

NOW = 1_756_216_800.0


class FaultyBroker(MemoryBroker):
    """The memory broker, in which an append can be made to fail, or an admin to come in between."""

    def __init__(self) -> None:
        super().__init__(new_epoch=lambda: "ep")
        self.is_away = False
        self.in_between: list[Amendment] = []

    def publish(self, topic: str, drafts: Sequence[Draft]) -> None:
        if self.is_away:
            assert self._hearer is not None
            self._hearer.unavailable(topic, drafts)
            return
        super().publish(topic, drafts)

    async def remember(self, participant: str, base: Sequence[str], at: float) -> None:
        await super().remember(participant, base, at)

    async def standing(self, topic: str, participant: str, jti: str) -> Any:
        standing = await super().standing(topic, participant, jti)
        if self.in_between:
            amendment = self.in_between.pop()
            await self.amend(participant, lambda _: (amendment,), NOW)
        return standing


class Bench:
    """A node with a clock that the test moves."""

    def __init__(self, rate: Rate | None = None, linger_s: float = 0) -> None:
        self.clock = ManualClock(NOW)
        self.broker = FaultyBroker()
        ids = iter(range(10**6))
        self.node = Node(
            self.broker,
            id="n1",
            clock=self.clock,
            new_id=lambda: f"gw-{next(ids)}",
            metrics=Metrics(),
            rate=rate or Rate(1e6, 1e6),
            linger_s=linger_s,
        )

    async def join(self, id: str, *capabilities: str, mode: Mode = Mode.ALL, **claims: Any) -> Member:
        admission = await self.node.admit("ops", claims_of(id, *capabilities, **claims))
        return await self.node.join(admission, mode, RecordingOutbox())

    def took(self, member: Member) -> list[JsonObject]:
        """Let everything pending go out, and return what this member received since the last time."""
        self.node._rounds.sweep()
        return outbox(member).take()

    async def settle(self) -> None:
        """Let chores such as leaving a topic run."""
        for _ in range(5):
            await asyncio.sleep(0)


def claims_of(
    id: str, *capabilities: str, exp: float = NOW + 3600, jti: str | None = None
) -> ParticipantClaims:
    return ParticipantClaims(id, ("*",), CapabilitySet.of(capabilities), (), jti or f"jti-{id}", NOW, exp)


def promotion(participant: str, added: str) -> Amendment:
    return Amendment(participant, None, (Change(added, ChangeEffect.ADDED),))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    await bench.node.start()
    yield bench
    await bench.node.stop()


async def test_a_join_returns_with_the_welcome_in_the_outbox(bench: Bench) -> None:
    ann = await bench.join("ann", "chat")

    assert [one["kind"] for one in bench.took(ann)] == ["system/welcome", "system/presence"]
    assert bench.node.connections == 1


async def test_an_admin_who_comes_in_between_is_heard_before_the_join(bench: Bench) -> None:
    bench.broker.in_between.append(promotion("ann", "mcp/*"))

    ann = await bench.join("ann", "chat")

    assert ann.capabilities.patterns == ("chat", "mcp/*")
    assert bench.took(ann)[0]["payload"]["you"]["capabilities"] == ["chat", "mcp/*"]


async def test_a_revocation_between_admission_and_join_keeps_it_out(bench: Bench) -> None:
    admission = await bench.node.admit("ops", claims_of("ann", "chat", jti="j"))
    revocation = Revocation.of_token("j", by="admin", at=NOW, max_lifetime_s=3600)
    await bench.broker.revoke(revocation, Ended(int(CloseCode.REVOKED), NOW, jti="j"))

    with pytest.raises(AccessRevoked):
        await bench.node.join(admission, Mode.ALL, RecordingOutbox())

    assert bench.node.connections == 0
    with pytest.raises(AccessRevoked):
        await bench.node.admit("ops", claims_of("ann", "chat", jti="j"))


@spec("mcpx refusals nothing dropped in silence", "mcpx delivery broker dies")
async def test_what_the_broker_does_not_take_is_answered(bench: Bench) -> None:
    ann, bob = await bench.join("ann", "chat"), await bench.join("bob")
    bench.took(ann), bench.took(bob)

    bench.broker.is_away = True
    bench.node.receive(ann, [envelope("ann", id="lost")])

    (error,) = bench.took(ann)
    assert (error["payload"]["error"], error["correlation_id"]) == ("topic_unavailable", "lost")
    assert bench.took(bob) == []


async def test_who_is_closed_while_it_is_judged_anew_does_not_join_after_all(bench: Bench) -> None:
    await bench.join("bob")
    admission = await bench.node.admit("ops", claims_of("ann", "chat", exp=NOW + 10))
    # So that the join comes back as stale.
    await bench.broker.amend("ann", lambda _: (promotion("ann", "mcp/*"),), NOW)
    asked, answered = asyncio.Event(), asyncio.Event()
    standing = bench.broker.standing

    async def slow_standing(topic: str, participant: str, jti: str) -> Any:
        asked.set()
        await answered.wait()
        return await standing(topic, participant, jti)

    bench.broker.standing = slow_standing  # type: ignore[method-assign]  # this once
    joining = asyncio.create_task(bench.node.join(admission, Mode.ALL, RecordingOutbox()))
    await asked.wait()
    bench.clock.advance(10)
    await bench.node.tick()
    answered.set()

    with pytest.raises(BrokerUnavailable, match="closed while joining"):
        async with asyncio.timeout(30):
            await joining
    there = await bench.broker.look("ops")
    assert there is not None
    assert [join.record.participant for join in there.joined] == ["bob"]


async def test_a_topic_that_is_being_left_as_the_node_stops_is_not_entered_again(bench: Bench) -> None:
    exiting, entered = asyncio.Event(), []
    enter = bench.broker.enter

    async def slow_exit(topic: str) -> None:
        exiting.set()
        await asyncio.Event().wait()

    async def noted_enter(topic: str) -> Any:
        entered.append(topic)
        return await enter(topic)

    bench.broker.exit, bench.broker.enter = slow_exit, noted_enter  # type: ignore[method-assign]  # held up, and noted
    bench.node.dismiss(await bench.node.admit("ops", claims_of("ann", "chat")))
    await exiting.wait()
    admitting = asyncio.create_task(bench.node.admit("ops", claims_of("bob", "chat")))
    await bench.settle()

    await bench.node.stop()

    with pytest.raises(BrokerUnavailable, match="going away"):
        async with asyncio.timeout(30):
            await admitting
    assert entered == ["ops"]


async def test_nobody_joins_a_node_that_has_begun_to_go_away(bench: Bench) -> None:
    admission = await bench.node.admit("ops", claims_of("ann", "chat"))
    bench.node.drain()

    with pytest.raises(BrokerUnavailable):
        await bench.node.join(admission, Mode.ALL, RecordingOutbox())

    await bench.settle()
    assert bench.node.topics == {}


@spec("mcpx identity handshake 503")
async def test_a_join_that_the_broker_does_not_take_fails_and_leaves_nothing(bench: Bench) -> None:
    admission = await bench.node.admit("ops", claims_of("ann", "chat"))
    bench.broker.is_away = True

    with pytest.raises(BrokerUnavailable):
        await bench.node.join(admission, Mode.ALL, RecordingOutbox())

    assert bench.node.connections == 0


async def test_a_leave_that_the_broker_does_not_take_is_said_again(bench: Bench) -> None:
    ann, bob = await bench.join("ann", "chat"), await bench.join("bob")
    bench.took(bob)
    bench.broker.is_away = True
    bench.node.leave(ann)
    assert bench.took(bob) == []

    bench.broker.is_away = False
    await bench.node.tick()

    assert [one["payload"]["event"] for one in bench.took(bob)] == ["leave"]


async def test_stale_envelopes_are_judged_again_in_their_order(bench: Bench) -> None:
    ann, bob = await bench.join("ann", "chat", "x-a/*"), await bench.join("bob")
    bench.took(ann), bench.took(bob)
    drafts = [
        Draft(Relayed(ann.connection, "ann", (), envelope("ann", kind, id=f"{n}")), ann, 0)
        for n, kind in enumerate(["chat", "x-a/b", "mcp/request:x", "chat"])
    ]

    bench.node.stale("ops", drafts)

    assert [one["id"] for one in bench.took(bob)] == ["0", "1", "3"]
    (error,) = [one for one in bench.took(ann) if one["kind"] == "system/error"]
    assert (error["payload"]["error"], error["correlation_id"]) == ("capability_violation", "2")


async def test_nothing_stale_of_a_closed_member_is_sent(bench: Bench) -> None:
    ann, bob = await bench.join("ann", "chat"), await bench.join("bob")
    draft = Draft(Relayed(ann.connection, "ann", (), envelope("ann")), ann, 0)
    bench.node.close(ann, CloseCode.REVOKED)
    bench.took(bob)

    bench.node.stale("ops", [draft])

    assert bench.took(bob) == []


@spec("mcpx delivery broker back")
async def test_a_topic_whose_order_is_lost_closes_its_members_and_is_entered_anew(bench: Bench) -> None:
    ann = await bench.join("ann", "chat")

    bench.node.lost("ops")

    assert outbox(ann).code is CloseCode.RESTART
    await bench.settle()
    again = await bench.join("ann", "chat")
    assert [one["kind"] for one in bench.took(again)] == ["system/welcome", "system/presence"]


@spec("mcpx identity expiry closes")
async def test_the_clockwork_closes_what_has_expired(bench: Bench) -> None:
    ann = await bench.join("ann", "chat", exp=NOW + 10)
    bench.clock.advance(9.9)
    await bench.node.tick()
    assert outbox(ann).code is None

    bench.clock.advance(0.1)
    await bench.node.tick()

    assert outbox(ann).code is CloseCode.TOKEN_EXPIRED


@spec("mcpx refusals close 4413")
async def test_the_clockwork_closes_who_is_behind(bench: Bench) -> None:
    ann = await bench.join("ann", "chat")
    outbox(ann).waiting_bytes = 1
    for _ in range(8):  # it looks at a quarter of the topics at a time
        await bench.node.tick()
    assert outbox(ann).code is None

    outbox(ann).behind = True
    for _ in range(4):
        await bench.node.tick()

    assert outbox(ann).code is CloseCode.SLOW_CONSUMER


async def test_nobody_is_asked_who_has_nothing_waiting_and_was_given_nothing(bench: Bench) -> None:
    ann = await bench.join("ann", "chat")
    bench.took(ann)
    for _ in range(8):
        await bench.node.tick()
    held = next(iter(bench.node._holding))
    assert not held.fanout.was_given

    outbox(ann).waiting_bytes, outbox(ann).behind = 1, True
    bench.node.receive(ann, [envelope("ann")])
    bench.node.read_done()
    for _ in range(4):
        await bench.node.tick()

    assert outbox(ann).code is CloseCode.SLOW_CONSUMER


async def test_the_clockwork_closes_each_at_the_end_of_its_own_token(bench: Bench) -> None:
    ann, bob = await bench.join("ann", exp=NOW + 10), await bench.join("bob", exp=NOW + 20)

    for seconds, ended in ((9, []), (1, [ann]), (9, [ann]), (1, [ann, bob])):
        bench.clock.advance(seconds)
        await bench.node.tick()

        expired = [each for each in (ann, bob) if outbox(each).code is CloseCode.TOKEN_EXPIRED]
        assert expired == ended


@spec("mcpx delivery promotion expires")
async def test_the_clockwork_takes_a_lapsed_promotion_back_and_says_so(bench: Bench) -> None:
    ann, bob = await bench.join("ann", "chat"), await bench.join("bob")
    lapsing = Amendment("ann", None, (Change("mcp/*", ChangeEffect.ADDED, NOW + 10),))
    await bench.broker.amend("ann", lambda _: (lapsing,), NOW)
    assert list(ann.capabilities.patterns) == ["chat", "mcp/*"]
    bench.took(bob)

    bench.clock.advance(10)
    await bench.node.tick()

    assert list(ann.capabilities.patterns) == ["chat"]
    assert [one["payload"]["participant"]["capabilities"] for one in bench.took(bob)] == [["chat"]]


async def test_who_is_being_closed_has_left_at_once(bench: Bench) -> None:
    ann, bob = await bench.join("ann", "chat"), await bench.join("bob")
    bench.took(bob)

    bench.node.close(ann, CloseCode.DISCONNECTED)
    bench.node.leave(ann)

    assert [one["payload"]["event"] for one in bench.took(bob)] == ["leave"]
    bench.node.receive(ann, [envelope("ann")])
    assert bench.took(bob) == []


@spec("mcpx refusals close 1012")
async def test_a_node_that_goes_away_takes_nobody_in_and_sends_everybody_elsewhere(bench: Bench) -> None:
    ann = await bench.join("ann", "chat")

    bench.node.drain()

    assert outbox(ann).code is CloseCode.RESTART
    with pytest.raises(BrokerUnavailable):
        await bench.node.admit("ops", claims_of("bob"))


async def test_a_node_that_goes_away_gently_is_not_ready_first_and_closes_a_few_at_a_time(
    bench: Bench,
) -> None:
    members = [await bench.join(f"p{number}", "chat") for number in range(6)]
    going = asyncio.create_task(bench.node.drain_slowly(0, 0.15))
    await asyncio.sleep(0)
    assert bench.node.is_draining
    assert not any(member.ended for member in members)

    closed = set()
    while not going.done():
        closed.add(sum(member.ended is CloseCode.RESTART for member in members))
        await asyncio.sleep(0)
    await going

    assert closed >= {0, 2, 4}
    assert all(member.ended is CloseCode.RESTART for member in members)


async def test_a_topic_that_everybody_has_left_is_forgotten(bench: Bench) -> None:
    ann = await bench.join("ann", "chat")
    assert list(bench.node.topics) == ["ops"]

    bench.node.leave(ann)
    await bench.settle()

    assert bench.node.topics == {}
    assert await bench.broker.topics() == []
    assert await bench.broker.look("ops") is None


async def test_who_comes_back_soon_finds_the_topic_as_it_was() -> None:
    bench = Bench(linger_s=60)
    await bench.node.start()
    bench.node.leave(await bench.join("ann", "chat"))
    await bench.settle()
    kept = bench.node.topics["ops"]

    back = await bench.join("ann", "chat")

    assert bench.node.topics["ops"] is kept
    assert [envelope["kind"] for envelope in bench.took(back)] == ["system/welcome", "system/presence"]
    await bench.node.stop()


async def test_many_who_come_and_go_at_once_leave_no_trace(bench: Bench) -> None:
    async def visit(n: int) -> None:
        member = await bench.join(f"p{n % 7}", "chat")
        await asyncio.sleep(0)
        bench.node.leave(member)

    await asyncio.gather(*(visit(n) for n in range(100)))
    await bench.settle()

    assert bench.node.topics == {}
    assert bench.node.connections == 0


async def test_an_envelope_over_the_limit_is_told_and_closed() -> None:
    bench = Bench()
    await bench.node.start()
    ann = await bench.join("ann", "chat")
    bench.node.max_envelope_bytes = 50

    bench.node.receive(ann, [envelope("ann")])

    assert bench.took(ann)[-1]["payload"]["error"] == "too_large"
    assert outbox(ann).code is CloseCode.TOO_LARGE
    await bench.node.stop()


async def test_a_left_entry_of_a_dead_topic_is_no_error(bench: Bench) -> None:
    bench.broker.publish("nowhere", [Draft(Left("n1/9", NOW), None, 0)])


async def test_a_node_disowns_connections_that_a_store_believes_it_still_has(bench: Bench) -> None:
    # A store that went back has forgotten the leave of n1/99, whose node lives on.
    await bench.broker.enter("ops")
    ghost = ConnectionRecord("n1/99", "n1", "cid", ("chat",), "jti-cid", 0, NOW)
    bench.broker.publish("ops", [Draft(Joined(ghost, 0, []), None, 0)])

    await bench.join("ann", "chat")

    assert [each["id"] for each in bench.node.topics["ops"].roster.participants()] == ["ann"]
    snapshot = await bench.broker.look("ops")
    assert snapshot is not None
    assert [joined.record.participant for joined in snapshot.joined] == ["ann"]


# What one read brings


async def test_a_refusal_stands_between_what_was_said_before_it_and_after(
    bench: Bench,
) -> None:
    ann, bob = await bench.join("ann", "chat"), await bench.join("bob")
    bench.took(ann), bench.took(bob)

    bench.node.receive(
        ann,
        [
            envelope("ann", id="1"),
            envelope("ann", id="2"),
            envelope("ann", id="not-held", kind="mcp/request:tools/list"),
            b"no JSON",
            envelope("ann", id="3"),
        ],
    )

    heard = [one["payload"].get("error", one["id"]) for one in bench.took(ann)]
    assert heard == ["1", "2", "capability_violation", "invalid_json", "3"]
    assert [one["id"] for one in bench.took(bob)] == ["1", "2", "3"]


async def test_a_member_closed_by_what_it_said_says_no_more_in_the_same_read(bench: Bench) -> None:
    bench.node.max_envelope_bytes = 1000
    ann, bob = await bench.join("ann", "chat"), await bench.join("bob")
    bench.took(bob)

    bench.node.receive(ann, [envelope("ann", id="1"), b"x" * 1001, envelope("ann", id="2")])

    assert ann.ended is CloseCode.TOO_LARGE
    assert [one["id"] for one in bench.took(bob) if one["kind"] == "chat"] == ["1"]


@pytest.mark.parametrize("where", ["refusing", "appending"])
async def test_a_fault_of_ours_amid_a_read_loses_and_doubles_nothing_said_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    ann, bob = await bench.join("ann", "chat"), await bench.join("bob")
    bench.took(bob)
    publish = bench.broker.publish

    def fail(topic: str, drafts: Sequence[Draft]) -> None:
        publish(topic, drafts)
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        if where == "refusing":
            patch.setattr(bench.node, "refuse", lambda *_: 1 / 0)
        else:
            patch.setattr(bench.broker, "publish", fail)
        with pytest.raises(ZeroDivisionError):
            bench.node.receive(ann, [envelope("ann", id="1"), b"no JSON", envelope("ann", id="2")])

    bench.node.read_done()
    assert [one["id"] for one in bench.took(bob)] == ["1"]
