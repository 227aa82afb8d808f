"""A topic's replica: entries in, effects out (docs/protocol.md, Delivery)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from capabilities import Amendment, Change
from capabilities import Effect as ChangeEffect
from gateway.core import (
    Amended,
    Close,
    Deliver,
    Ended,
    Entry,
    Gone,
    Joined,
    Left,
    Member,
    Mode,
    Relayed,
    Snapshot,
    Topic,
    Welcome,
)
from schemas import CloseCode, JsonObject
from tests.gateway.seats import NOW, envelope, outbox, seat
from tests.requirements import spec


class OneNode:
    """A topic on one node, with effects carried out on recording outboxes."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.topic = Topic("ops", snapshot or Snapshot("ep", 0))

    def apply(self, *entries: Entry) -> list[Close]:
        closes = []
        for effect in self.topic.apply(self.topic.position + 1, entries):
            match effect:
                case Deliver():
                    assert not set(effect.receivers) & set(effect.also)
                    for receiver in (*effect.receivers, *effect.also):
                        receiver.outbox.send(b"".join(effect.envelopes), effect.envelopes)
                case Welcome():
                    effect.member.outbox.send(effect.data, (effect.data,))
                case Close():
                    closes.append(effect)
                case _:
                    raise AssertionError(effect)
        return closes

    def join(self, member: Member, *amendments: Amendment, version: int = 0) -> Member:
        self.topic.expect(member)
        self.apply(Joined(member.record, version, [amendment.to_json() for amendment in amendments]))
        return member

    def leave(self, member: Member) -> None:
        self.topic.forget(member)
        self.apply(Left(member.connection, NOW))

    def relay(self, sender: Member, *to: str, **more: Any) -> bytes:
        data = envelope(sender.id, to=list(to), **more)
        self.apply(Relayed(sender.connection, sender.id, to, data))
        return data


def promotion(participant: str, *, added: Sequence[str] = (), removed: Sequence[str] = ()) -> Amendment:
    changes = [Change(pattern, ChangeEffect.REMOVED) for pattern in removed]
    changes += [Change(pattern, ChangeEffect.ADDED) for pattern in added]
    return Amendment(participant, None, tuple(changes))


@spec(
    "MCPx 3.5.1 welcome",
    "MCPx 3.5.1 welcome content",
    "MCPx 3.4 presence",
    "mcpx delivery join is an entry",
)
def test_the_welcome_comes_first_and_then_everything_from_the_own_join_on() -> None:
    node = OneNode()
    alice = node.join(seat("alice", "mcp/*", "chat"))
    outbox(alice).take()

    bob = node.join(seat("bob", "chat"))

    welcome, own_join = outbox(bob).take()
    assert (welcome["kind"], welcome["to"], welcome["from"]) == ("system/welcome", ["bob"], "system:gateway")
    assert welcome["payload"] == {
        "you": {"id": "bob", "capabilities": ["chat"]},
        "participants": [{"id": "alice", "capabilities": ["mcp/*", "chat"]}],
    }
    assert own_join["payload"] == {"event": "join", "participant": {"id": "bob", "capabilities": ["chat"]}}
    assert outbox(alice).take() == [own_join]


@spec(
    "mcpx delivery own envelope back",
    "mcpx envelope bytes relayed",
    "MCPx 6.3 mode all",
    "MCPx 8.1 structure preserved",
)
def test_everyone_in_all_mode_gets_the_same_bytes_the_sender_too() -> None:
    node = OneNode()
    members = [node.join(seat(name, "chat")) for name in ("alice", "bob", "carol")]
    for member in members:
        outbox(member).take()

    data = node.relay(members[0], "bob")

    assert [outbox(member).sent for member in members] == [[data]] * 3


@spec("MCPx 6.3 mode directed", "mcpx delivery directed own and system", "mcpx delivery nobody present")
def test_directed_hears_broadcasts_what_names_it_and_its_own() -> None:
    node = OneNode()
    alice = node.join(seat("alice", "chat"))
    quiet = node.join(seat("quiet", "chat", mode=Mode.DIRECTED))
    outbox(quiet).take()

    to_all = node.relay(alice)
    to_quiet = node.relay(alice, "bob", "quiet")
    node.relay(alice, "bob")
    own = node.relay(quiet, "nobody-here")
    bob = node.join(seat("bob"))

    assert outbox(quiet).sent[:3] == [to_all, to_quiet, own]
    assert outbox(quiet).kinds[3:] == ["system/presence"]
    assert outbox(bob).kinds == ["system/welcome", "system/presence"]


@spec(
    "mcpx delivery roster is the union",
    "mcpx delivery first joins last leaves",
    "mcpx delivery changed union announced",
    "mcpx delivery leaving keyed by connection",
)
def test_each_connection_is_told_as_a_join_and_the_last_end_as_the_leave() -> None:
    node = OneNode()
    witness = node.join(seat("witness"))
    first = node.join(seat("ann", "chat", connection="n1/1"))
    outbox(witness).take()

    second = node.join(seat("ann", "chat", connection="n1/2"))
    (again,) = outbox(witness).take()
    assert again["payload"] == {"event": "join", "participant": {"id": "ann", "capabilities": ["chat"]}}
    assert outbox(second).kinds == ["system/welcome", "system/presence"]

    third = node.join(seat("ann", "mcp/*", connection="n1/3"))
    (grown,) = outbox(witness).take()
    assert grown["payload"] == {
        "event": "join",
        "participant": {"id": "ann", "capabilities": ["chat", "mcp/*"]},
    }

    node.leave(first)
    assert outbox(witness).take() == []
    node.leave(third)
    (shrunk,) = outbox(witness).take()
    assert shrunk["payload"]["participant"]["capabilities"] == ["chat"]
    node.leave(second)
    (gone,) = outbox(witness).take()
    assert gone["payload"] == {"event": "leave", "participant": {"id": "ann"}}


def test_a_leave_that_is_told_twice_is_heard_once() -> None:
    node = OneNode()
    witness, bob = node.join(seat("witness")), node.join(seat("bob"))
    node.leave(bob)
    outbox(witness).take()

    node.apply(Left(bob.connection, NOW))

    assert outbox(witness).take() == []


@spec(
    "mcpx delivery promotion welcome", "mcpx delivery promotion effective set", "MCPx 6.2 authoritative list"
)
def test_a_promotion_brings_a_fresh_welcome_and_the_others_the_join_with_the_new_set() -> None:
    node = OneNode()
    boss, agent = node.join(seat("boss", "mcp/*")), node.join(seat("agent", "mcp/proposal:*", "chat"))
    second = node.join(seat("agent", "chat", connection="n1/second"))
    for member in (boss, agent, second):
        outbox(member).take()
    change = promotion("agent", added=["mcp/request:tools/*"], removed=["chat"])

    node.apply(Amended("agent", 1, [change.to_json()], NOW))

    (welcome,), (other,), (join,) = outbox(agent).take(), outbox(second).take(), outbox(boss).take()
    assert welcome["payload"]["you"]["capabilities"] == ["mcp/proposal:*", "mcp/request:tools/*"]
    assert other["payload"]["you"]["capabilities"] == ["mcp/request:tools/*"]
    assert join["payload"]["participant"]["capabilities"] == ["mcp/proposal:*", "mcp/request:tools/*"]
    assert agent.capabilities.patterns == ("mcp/proposal:*", "mcp/request:tools/*")


def test_an_older_change_that_comes_later_has_no_effect() -> None:
    node = OneNode()
    agent = node.join(seat("agent", "chat"), promotion("agent", added=["mcp/*"]), version=5)

    node.apply(Amended("agent", 4, [], NOW))

    assert agent.capabilities.patterns == ("chat", "mcp/*")


def test_a_promotion_that_a_join_brings_first_holds_for_the_other_connections() -> None:
    node = OneNode()
    first = node.join(seat("agent", "chat", connection="n1/1"))
    outbox(first).take()

    node.join(seat("agent", "chat", connection="n1/2"), promotion("agent", added=["mcp/*"]), version=2)
    node.apply(Amended("agent", 1, [], NOW))

    welcome, join = outbox(first).take()
    assert welcome["payload"]["you"]["capabilities"] == ["chat", "mcp/*"]
    assert join["payload"]["participant"]["capabilities"] == ["chat", "mcp/*"]
    assert first.capabilities.patterns == ("chat", "mcp/*")


@spec("mcpx delivery promotion expires")
def test_an_expired_promotion_counts_no_more_and_is_found() -> None:
    node = OneNode()
    amendment = Amendment("agent", None, (Change("mcp/*", ChangeEffect.ADDED, NOW + 10),))
    agent = node.join(seat("agent", "chat"), amendment, version=1)
    assert agent.capabilities.patterns == ("chat", "mcp/*")
    assert node.topic.roster.expired(NOW + 9) == []
    assert node.topic.roster.expired(NOW + 10) == ["agent"]

    node.apply(Amended("agent", 2, [], NOW + 10))

    assert list(agent.capabilities.patterns) == ["chat"]
    assert node.topic.roster.expired(NOW + 99) == []


def test_a_forced_end_means_those_whom_every_given_field_fits() -> None:
    node = OneNode()
    old = node.join(seat("agent", jti="a", iat=100, connection="n1/old"))
    new = node.join(seat("agent", jti="b", iat=200, connection="n1/new"))
    node.join(seat("other", jti="c", iat=100))

    def ended(**fields: Any) -> list[Member]:
        return [close.member for close in node.apply(Ended(int(CloseCode.REVOKED), NOW, **fields))]

    assert ended(participant="agent", iat_until=150) == [old]
    assert ended(participant="agent") == [old, new]
    assert ended(jti="b") == [new]
    assert ended(jti="c", participant="agent") == []


def test_a_dead_node_s_members_leave_once() -> None:
    node = OneNode()
    witness = node.join(seat("witness"))
    for name in ("ann", "bob"):
        node.apply(Joined(seat(name, "chat", node="n2").record, 0, []))
    node.apply(Joined(seat("ann", "chat", connection="n1/ann").record, 0, []))
    outbox(witness).take()

    node.apply(Gone("n2", NOW))
    node.apply(Gone("n2", NOW))

    (left,) = outbox(witness).take()
    assert left["payload"] == {"event": "leave", "participant": {"id": "bob"}}
    assert {record.participant for record in node.topic.roster.records} == {"witness", "ann"}


def test_a_leave_ends_no_promotion_so_that_a_later_snapshot_shows_the_same() -> None:
    brief = Amendment("agent", None, (Change("mcp/*", ChangeEffect.ADDED, NOW + 10),))
    joins = [
        Joined(seat("agent", "chat", connection=f"n1/{nth}").record, 1, [brief.to_json()]) for nth in (1, 2)
    ]
    node = OneNode()
    for join in joins:
        node.apply(join)

    node.apply(Left("n1/2", NOW + 11))

    later = Topic("ops", Snapshot("ep", 3, (joins[0],)))
    assert node.topic.roster.capabilities("agent") == later.roster.capabilities("agent")


@spec("mcpx delivery from the welcome on")
def test_members_of_a_node_that_was_taken_for_dead_are_told_so() -> None:
    node = OneNode()
    mine = node.join(seat("ann"))
    directed = node.join(seat("bob", mode=Mode.DIRECTED))

    closes = node.apply(Gone("n1", NOW))

    assert [(close.member, close.code) for close in closes] == [
        (mine, CloseCode.RESTART),
        (directed, CloseCode.RESTART),
    ]


NAMES = st.sampled_from(["ann", "bob", "cid"])
PATTERNS = st.lists(st.sampled_from(["chat", "mcp/*", "mcp/proposal:*", "x-a/*"]), max_size=3, unique=True)


@st.composite
def topic_histories(draw: st.DrawFn) -> list[Entry]:
    """Joins, leaves, node deaths and promotions, in an order that could happen."""
    entries: list[Entry] = []
    live: list[str] = []
    for step in range(draw(st.integers(0, 25))):
        match draw(st.sampled_from(["join", "join", "leave", "gone", "amend"])):
            case "join":
                node = draw(st.sampled_from(["n1", "n2"]))
                live.append(f"{node}/{step}")
                record = seat(draw(NAMES), *draw(PATTERNS), node=node, connection=live[-1]).record
                entries.append(Joined(record, 0, []))
            case "leave" if live:
                entries.append(Left(live.pop(draw(st.integers(0, len(live) - 1))), NOW))
            case "gone":
                entries.append(Gone("n2", NOW))
                live = [connection for connection in live if not connection.startswith("n2/")]
            case "amend":
                name = draw(NAMES)
                change = promotion(name, added=draw(PATTERNS))
                entries.append(Amended(name, step + 1, [change.to_json()], NOW))
            case _:
                pass
    return entries


@spec("mcpx delivery roster and presence add up")
@settings(max_examples=300)
@given(topic_histories(), st.data())
def test_a_welcome_and_the_presence_after_it_make_the_true_roster(
    history: list[Entry], data: st.DataObject
) -> None:
    node = OneNode()
    at = data.draw(st.integers(0, len(history)))
    for entry in history[:at]:
        node.apply(entry)
    witness = node.join(seat("witness", connection="n1/witness"))

    for entry in history[at:]:
        node.apply(entry)

    welcome, *later = outbox(witness).take()
    shown = {one["id"]: set(one["capabilities"]) for one in welcome["payload"]["participants"]}
    for presence in later:
        participant = presence["payload"]["participant"]
        if presence["payload"]["event"] == "join":
            shown[participant["id"]] = set(participant["capabilities"])
        else:
            del shown[participant["id"]]
    truth = {one["id"]: set(one["capabilities"]) for one in node.topic.roster.participants()}
    assert shown == truth
    assert len({envelope["id"] for envelope in later}) == len(later)


@given(topic_histories(), st.data())
def test_two_nodes_that_meet_at_different_places_show_the_same_roster(
    history: list[Entry], data: st.DataObject
) -> None:
    first = OneNode()
    joined: dict[str, Joined] = {}
    versions: dict[str, Amended] = {}
    at = data.draw(st.integers(0, len(history)))
    for entry in history[:at]:
        first.apply(entry)
        if isinstance(entry, Joined):
            joined[entry.record.connection] = entry
        if isinstance(entry, Amended):
            versions[entry.participant] = entry
    snapshot = Snapshot(
        "ep",
        first.topic.position,
        tuple(_as_stored(joined[record.connection], first) for record in first.topic.roster.records),
    )
    second = OneNode(snapshot)

    for entry in history[at:]:
        first.apply(entry)
        second.apply(entry)

    assert list(second.topic.roster.participants()) == list(first.topic.roster.participants())


@given(topic_histories(), st.lists(st.sampled_from(list(Mode)), max_size=3), st.data())
def test_entries_that_come_together_are_heard_as_those_that_come_one_by_one(
    history: list[Entry], modes: list[Mode], data: st.DataObject
) -> None:
    order = list(history)
    for number in range(data.draw(st.integers(0, 20))):
        said = envelope("ann", id=str(number), to=data.draw(st.lists(st.just("w0"), max_size=1)))
        to = tuple(json.loads(said)["to"])
        order.insert(data.draw(st.integers(0, len(order))), Relayed("n2/0", "ann", to, said))
    heard: list[list[list[JsonObject]]] = []
    for is_cut in (False, True):
        node = OneNode()
        members = [
            node.join(seat(f"w{number}", mode=mode, connection=f"n1/w{number}"))
            for number, mode in enumerate(modes)
        ]
        rest = list(order)
        while rest:
            size = data.draw(st.integers(1, len(rest))) if is_cut else 1
            node.apply(*rest[:size])
            rest = rest[size:]
        assert node.topic.position == len(modes) + len(order)
        heard.append([outbox(member).take() for member in members])

    assert heard[0] == heard[1]


def _as_stored(joined: Joined, node: OneNode) -> Joined:
    """A join with its participant's newest amendments, as a broker keeps it."""
    version, amendments = node.topic.roster.amendments_of(joined.record.participant)
    return Joined(joined.record, version, [amendment.to_json() for amendment in amendments])
