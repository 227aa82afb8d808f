"""Flows: what is decided beforehand is what would have been decided, and everybody hears the same."""

from __future__ import annotations

import asyncio
import gc
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from capabilities import Amendment, CapabilitySet, Change, Effect, ParticipantClaims
from gateway import flows
from gateway.broker.memory import MemoryBroker
from gateway.clock import ManualClock
from gateway.core import Member, Mode, Rate, authorize
from gateway.fanout import SMALL
from gateway.flows import READS, Flows
from gateway.http.framed import FramedOutbox, Seat
from gateway.http.turnstile import Pass
from gateway.metrics import Metrics
from gateway.node import Node
from gateway.transport import FramedConnection
from gateway.transport.keepalive import Keepalive
from schemas import CloseCode, Envelope
from tests.gateway.seats import RecordingOutbox, envelope
from tests.gateway.transport.wire import (
    CLOSE,
    CONT,
    PING,
    TEXT,
    FakeTransport,
    Owned,
    client_frame,
    close_frame,
    server_frames,
)

compiled = pytest.importorskip("gateway._flow", reason="there was no compiler when this was installed")

NOW = 1_756_216_800.0
HELD = ("chat", "mcp/request:tools/call:*", "mcp/proposal")
KINDS = ("chat", "mcp/request:tools/call:write_file", "mcp/proposal", "mcp/response", "system/welcome", "x y")
NAMES = ("ann", "bob", "cid")
IS_BETWEEN = True


class Transport(FakeTransport):
    """A transport that looks its protocol's method up once, as uvloop's do."""

    deliver: Callable[[bytes], object]

    def set_protocol(self, protocol: Any) -> None:
        self.deliver = protocol.data_received

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Place:
    """One participant: its member, and the connection that it has."""

    def __init__(self, world: World, member: Member, outbox: FramedOutbox) -> None:
        self.member, self.transport = member, Transport()
        self.connection = FramedConnection(
            self.transport,
            Seat(world.node, member, world, Pass("jti", "")),
            Owned(),
            Keepalive(0, 0),
            max_size=1 << 20,
            max_waiting=1 << 20,
        )
        self.connection.take_over()
        outbox.attached(self.connection)

    def read(self, data: bytes) -> None:
        self.transport.deliver(data)

    def say(self, *kinds: str, **members: Any) -> None:
        self.read(b"".join(client_frame(TEXT, envelope(self.member.id, kind, **members)) for kind in kinds))

    @property
    def heard(self) -> list[bytes]:
        """The texts that were written, without the place that a gateway's own ids name."""
        frames = server_frames(b"".join(self.transport.written))
        return [re.sub(rb"gw-ep-\d+", b"gw-ep-N", data) for opcode, data in frames if opcode == TEXT]


class World:
    """A node, and the connections to it: with flows, or the same without."""

    def __init__(self, *, has_flows: bool = True, rate: Rate | None = None) -> None:
        ids = count()
        self.clock = ManualClock(NOW)
        self.metrics = Metrics()
        self.broker = MemoryBroker(new_epoch=lambda: "ep")
        self.node = Node(
            self.broker,
            id="n",
            clock=self.clock,
            new_id=lambda: f"id-{next(ids)}",
            metrics=self.metrics,
            rate=rate or Rate(1e6, 1e6),
            linger_s=0,
        )
        if not has_flows:
            self.node._flows = None
        self.places: list[Place] = []

    async def join(
        self, id: str, *capabilities: str, mode: Mode = Mode.ALL, expires_at: float = NOW + 1e6
    ) -> Place:
        held = CapabilitySet.of(capabilities or HELD)
        claims = ParticipantClaims(id, ("*",), held, (), f"jti-{id}", NOW, expires_at)
        outbox = FramedOutbox(max_seconds=10, monotonic=self.clock.monotonic)
        member = await self.node.join(await self.node.admit("ops", claims), mode, outbox)
        place = Place(self, member, outbox)
        self.places.append(place)
        return place

    def left(self, member: Member, used: Pass, code: int) -> None:  # a door's signature
        self.node.leave(member)

    def too_large(self, member: Member) -> bytes:  # a door's signature
        return b"{}"

    @property
    def flow(self) -> Any:
        held = self.node._holding.find("ops")
        return held and held.flow

    async def until_it_flows(self, who: Place | None = None) -> None:
        for _ in range(READS):
            (who or self.places[0]).say("chat")
        await self.rounds(2)
        assert self.flow is not None

    async def rounds(self, number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Let everything leave that is pending, or owed."""
        await self.rounds(3)
        for _ in range(3):
            self.node._rounds._pay()

    def counted(self, *what: str) -> list[str]:
        """The lines of these counters of envelopes, and of their bytes."""
        names = tuple(f"mcpx_envelopes_{name}" for name in what)
        return [line for line in self.metrics.render().decode().splitlines() if line.startswith(names)]


WHO = st.integers(0, 3)
COMMON = st.one_of(
    st.tuples(st.just("say"), WHO, st.lists(st.sampled_from(KINDS[:2]), min_size=1, max_size=3)),
    st.tuples(st.just("rounds"), st.just(0), st.integers(1, 4)),
)
RARE = st.one_of(
    st.tuples(st.just("say"), WHO, st.lists(st.sampled_from(KINDS), min_size=1, max_size=2)),
    st.tuples(st.just("odd"), WHO, st.sampled_from(("field", "escape", "from", "json", "utf8"))),
    st.tuples(st.just("torn"), WHO, st.integers(1, 60)),
    st.tuples(st.just("frame"), WHO, st.sampled_from((PING, PING, CLOSE))),
    st.tuples(st.just("long"), WHO, st.just(70_000)),
    st.tuples(st.just("rights"), WHO, st.sampled_from((Effect.ADDED, Effect.REMOVED))),
    st.tuples(st.just("lose"), WHO, st.none()),
    st.tuples(st.just("join"), st.integers(0, 2), st.sampled_from((Mode.ALL, Mode.ALL, Mode.DIRECTED))),
    st.tuples(st.just("pass"), st.just(0), st.sampled_from((0.01, 0.5, 30.0))),
    st.tuples(st.just("pay"), st.just(0), st.none()),
)
STORIES = st.lists(
    st.lists(COMMON, min_size=2, max_size=8).flatmap(lambda common: RARE.map(lambda rare: [*common, rare])),
    min_size=1,
    max_size=8,
).map(lambda parts: [step for part in parts for step in part])


async def do(world: World, what: str, who: int, how: Any) -> None:
    """One step of a story."""
    open_ = [place for place in world.places if not place.transport.is_closing()]
    place = open_[who % len(open_)] if open_ else None
    match what:
        case "join":
            await world.join(NAMES[who], *HELD, mode=how, expires_at=NOW + 40)
        case "pass":
            world.clock.advance(how)
        case "rounds":
            await world.rounds(how)
        case "pay":
            world.node._rounds._pay()
        case _ if place is None:
            pass
        case "say":
            place.say(*how, to=["bob"], payload={"text": "ä" * 20})
        case "odd":
            said = envelope(
                place.member.id if how != "from" else "eve", "chat", **{"x": 1} if how == "field" else {}
            )
            if how == "escape":
                said = said.replace(b'"chat"', b'"ch\\u0061t"')
            place.read(client_frame(TEXT, said[: -1 if how == "json" else None] + b"\xff" * (how == "utf8")))
        case "torn":
            data = client_frame(TEXT, envelope(place.member.id, "chat"))
            place.read(data[:how])
            open_[(who + 1) % len(open_)].say("chat")
            if not place.transport.is_closing():
                place.read(data[how:])
        case "frame":
            place.read(close_frame(1000) if how == CLOSE else client_frame(PING, b"hi"))
        case "long":
            place.say("chat", payload={"text": "x" * how})
        case "rights":
            change = Amendment(place.member.id, None, (Change("mcp/response", how),))
            await world.broker.amend(place.member.id, lambda _: (change,), world.clock.now())
        case "lose":
            place.transport.abort()
            place.connection.connection_lost(None)


async def story(world: World, steps: Sequence[tuple[str, int, Any]]) -> int:
    """Let it happen; return after how many of the steps there was a flow."""
    flowed = 0
    await world.node.start()
    try:
        for name in NAMES[:2]:
            await world.join(name, *HELD, expires_at=NOW + 40)
        for what, who, how in steps:
            await do(world, what, who, how)
            flowed += world.flow is not None
        await world.settle()
        return flowed
    finally:
        await world.node.stop()


@settings(max_examples=300)
@given(
    steps=STORIES,
    rate=st.sampled_from((Rate(1e6, 1e6), Rate(10.0, 12.0))),
    reads=st.integers(1, 3),
)
def test_everybody_hears_what_they_would_hear_without(
    steps: list[tuple[str, int, Any]], rate: Rate, reads: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows, "READS", reads)
        ours, theirs = World(rate=rate), World(has_flows=False, rate=rate)
        event(f"steps with a flow: {min(asyncio.run(story(ours, steps)), 9)}")
        asyncio.run(story(theirs, steps))

    for mine, other in zip(ours.places, theirs.places, strict=True):
        assert mine.member.ended == other.member.ended
        assert mine.member.bucket._level == other.member.bucket._level
        if mine.member.ended is CloseCode.NORMAL:  # it went by itself, and may have gone before the last
            both = min(len(mine.heard), len(other.heard))
            assert mine.heard[:both] == other.heard[:both]
        else:
            assert mine.heard == other.heard
    assert ours.counted("relayed", "refused") == theirs.counted("relayed", "refused")
    if len(ours.places) == 2 and all(place.member.ended is not CloseCode.NORMAL for place in ours.places):
        # Who comes or goes while something is pending is counted as if it heard all of it.
        assert ours.counted("delivered_total") == theirs.counted("delivered_total")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Two participants, and a flow between them."""
    world = World()
    await world.node.start()
    await world.join("ann")
    await world.join("bob")
    await world.until_it_flows()
    yield world
    await world.node.stop()


@pytest.fixture
def undecided(world: World, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What comes to be decided in Python."""
    came: list[bytes] = []
    receive = world.node.receive

    def watched(member: Member, messages: Sequence[bytes]) -> None:
        came.extend(messages)
        receive(member, messages)

    monkeypatch.setattr(world.node, "receive", watched)
    return came


async def test_while_it_flows_nothing_is_decided_in_python(world: World, undecided: list[bytes]) -> None:
    ann, bob = world.places
    before = len(bob.heard)

    ann.say("chat", "mcp/request:tools/call:write_file", id="first")
    bob.say("mcp/proposal", id="second")
    await world.settle()

    assert undecided == []
    assert [json.loads(said)["id"] for said in bob.heard[before:]] == ["first", "first", "second"]
    assert ann.heard[-3:] == bob.heard[-3:]
    assert 'mcpx_envelopes_relayed_total{kind="proposal"} 1.0' in world.counted("relayed")


async def test_each_kind_is_asked_about_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def watched(member: Member, envelope_: Envelope) -> Any:
        asked.append(f"{member.id} {envelope_.kind}")
        return authorize(member, envelope_)

    monkeypatch.setattr(flows, "authorize", watched)
    ann, bob = world.places
    for _ in range(3):
        ann.say("chat", "mcp/proposal")
        bob.say("chat")

    assert asked == ["ann chat", "ann mcp/proposal", "bob chat"]


@pytest.mark.parametrize(
    "said",
    [
        envelope("ann", "mcp/response"),
        envelope("bob"),
        envelope("an"),
        envelope("ann", "system/welcome"),
        envelope("ann", colour="red"),
        envelope("ann").replace(b'"chat"', b'"ch\\u0061t"'),
        envelope("ann")[:-1],
        envelope("ann").replace(b'"hi"', b'"\xff"'),
        envelope("ann", payload={"text": "x" * (1 << 16)}),
    ],
    ids=["capability", "from", "half of a name", "reserved", "field", "escape", "json", "utf-8", "long"],
)
async def test_what_is_no_plain_envelope_that_may_pass_is_left_to_python(
    world: World, undecided: list[bytes], said: bytes
) -> None:
    world.places[0].read(client_frame(TEXT, envelope("ann")) + client_frame(TEXT, said))

    assert undecided == [envelope("ann"), said][: 1 if b"\xff" in said else 2]  # the whole read
    assert world.flow is None


async def test_more_kinds_than_are_remembered_pass_all_the_same(world: World, undecided: list[bytes]) -> None:
    kinds = [f"mcp/request:tools/call:tool-{number}" for number in range(40)]
    for kind, known in zip(kinds, [kinds[0], *kinds], strict=False):
        world.places[0].say(known, kind)
        await world.rounds(2)
    await world.settle()

    heard = [json.loads(said)["kind"] for said in world.places[1].heard]
    assert [kind for kind in heard if kind in kinds][1::2] == kinds
    assert len(undecided) < 40


async def test_rights_that_change_count_for_the_next_envelope(world: World) -> None:
    ann, bob = world.places
    ann.say("chat", id="before")
    gone = Amendment("ann", None, (Change("chat", Effect.REMOVED),))
    await world.broker.amend("ann", lambda _: (gone,), NOW)
    ann.say("chat", id="after")
    await world.settle()

    assert b'"before"' in b"".join(bob.heard)
    assert b'"after"' not in b"".join(bob.heard)
    assert b"capability_violation" in ann.heard[-1]


async def test_a_token_that_expires_ends_what_flows(world: World) -> None:
    dan = await world.join("dan", expires_at=NOW + 10)
    await world.until_it_flows()
    world.clock.advance(10)
    dan.say("chat", id="late")
    await world.settle()

    assert dan.member.ended is CloseCode.TOKEN_EXPIRED
    assert b'"late"' not in b"".join(world.places[0].heard)


async def test_a_rate_is_held_while_it_flows(world: World) -> None:
    ann, bob = world.places
    world.node.change_limits(Rate(1.0, 5.0), 0)
    before = len(bob.heard)
    for _ in range(8):
        ann.say("chat")
    await world.settle()

    assert len(bob.heard) - before == 5
    assert b"rate_limited" in ann.heard[-1]


async def test_what_passes_ends_a_streak_of_refusals(world: World) -> None:
    ann, bob = world.places
    ann.say("mcp/response")
    for _ in range(READS):
        bob.say("chat")
    await world.rounds(2)
    for _ in range(24):
        world.clock.advance(0.5)
        ann.say("mcp/response")
        ann.say("chat")

    assert ann.member.ended is None


async def test_who_does_not_take_what_flowed_is_found_when_the_flow_has_ended(world: World) -> None:
    ann, bob = world.places
    held = world.node._holding.find("ops")
    assert held is not None
    given: list[bool] = []

    async def look() -> None:
        for _ in range(5):
            await world.node.tick()
        given.append(held.was_given)

    await look()
    ann.say("chat")
    bob.transport.buffered = 1
    given.append(held.was_given)
    held.end_flow()
    await look()
    world.clock.advance(11)
    await look()

    assert given[:3] == [False, True, True]
    assert bob.member.ended is CloseCode.SLOW_CONSUMER


async def test_what_is_pending_when_the_clockwork_comes_by_is_not_forgotten(world: World) -> None:
    ann, bob = world.places
    held = world.node._holding.find("ops")
    assert held is not None
    ann.say("chat")
    for _ in range(5):
        await world.node.tick()
    assert held.flow is not None
    assert held.was_given  # it has not left yet

    await world.rounds(2)
    bob.transport.buffered = 1
    for _ in range(2):
        for _ in range(5):
            await world.node.tick()
        world.clock.advance(11)
    await world.node.tick()
    for _ in range(5):
        await world.node.tick()

    assert bob.member.ended is CloseCode.SLOW_CONSUMER


async def test_who_was_refused_and_listens_since_keeps_nobody_from_flowing(
    world: World, undecided: list[bytes]
) -> None:
    ann, bob = world.places
    ann.say("mcp/response")
    await world.until_it_flows(bob)
    undecided.clear()
    bob.say("chat", id="flows")
    ann.say("chat", id="is judged")  # since it ends the streak
    await world.settle()

    assert [json.loads(one)["id"] for one in undecided] == ["is judged"]
    assert [json.loads(one)["id"] for one in bob.heard[-2:]] == ["flows", "is judged"]


async def test_the_node_s_own_limit_holds_where_the_connection_s_is_larger(world: World) -> None:
    ann, bob = world.places
    world.node.max_envelope_bytes = 1000
    world.node._flows = Flows(world.clock, world.node._rounds, world.metrics, max_envelope_bytes=1000)
    ann.say("mcp/response")
    await world.until_it_flows(bob)
    bob.say("chat", payload={"text": "x" * 5000})
    await world.settle()

    assert bob.member.ended is CloseCode.TOO_LARGE


async def test_one_who_joins_as_the_flow_opens_is_no_mistake(world: World) -> None:
    for number in range(SMALL - 2):
        await world.join(f"one-more-{number}")
    ann = world.places[0]
    for _ in range(READS):
        ann.say("chat")
    await world.join("one-too-many")
    await world.rounds(3)

    assert world.flow is None


async def test_a_fragment_that_has_begun_is_not_overtaken(world: World) -> None:
    ann, bob = world.places
    said = envelope("ann", id="whole")
    ann.read(client_frame(TEXT, said[:20], fin=False))
    ann.read(client_frame(CONT, said[20:]))
    torn = client_frame(TEXT, envelope("ann", id="torn"))
    ann.read(torn[:9])
    ann.read(torn[9:] + client_frame(TEXT, envelope("ann", id="behind it")))
    await world.settle()

    assert [json.loads(one)["id"] for one in bob.heard[-3:]] == ["whole", "torn", "behind it"]


async def test_a_text_amid_a_fragmented_one_breaks_the_rules(world: World) -> None:
    ann, _ = world.places
    ann.read(client_frame(TEXT, envelope("ann")[:20], fin=False))
    ann.say("chat")
    await world.settle()

    frames = server_frames(b"".join(ann.transport.written))
    assert frames[-1] == (CLOSE, frames[-1][1])
    assert int.from_bytes(frames[-1][1][:2], "big") == 1002


async def test_nothing_that_comes_after_a_close_frame_is_taken(world: World) -> None:
    ann, bob = world.places
    ann.connection.close(1001, "")
    ann.say("chat", id="too late")
    await world.settle()

    assert b"too late" not in b"".join(bob.heard)


async def test_a_large_topic_or_one_with_directed_members_does_not_flow(world: World) -> None:
    dan = await world.join("dan", mode=Mode.DIRECTED)
    for _ in range(3 * READS):
        world.places[0].say("chat")
        await world.rounds(1)
    assert world.flow is None

    dan.connection.connection_lost(None)
    await world.until_it_flows()
    for number in range(SMALL):
        await world.join(f"one-more-{number}")
    for _ in range(3 * READS):
        world.places[0].say("chat")
        await world.rounds(1)
    assert world.flow is None


async def test_an_outbox_without_a_connection_of_ours_does_not_flow() -> None:
    world = World()
    await world.node.start()
    claims = ParticipantClaims("ann", ("*",), CapabilitySet.of(HELD), (), "jti", NOW, NOW + 9)
    member = await world.node.join(await world.node.admit("ops", claims), Mode.ALL, RecordingOutbox())
    for _ in range(3 * READS):
        world.node.receive(member, [envelope("ann")])
        world.node.read_done()
        await world.rounds(2)

    assert world.flow is None
    await world.node.stop()


async def test_what_has_ended_is_not_kept(world: World) -> None:
    def connections() -> int:
        return sum(type(each) is FramedConnection for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = connections()
        ann = world.places.pop(0)
        ann.transport.abort()
        ann.connection.connection_lost(None)
        del ann.transport.deliver  # as a transport forgets it
        del ann
        assert connections() == before - 1, "only the collector would part them"
    finally:
        gc.enable()
