"""What every broker promises a node (gateway/broker/protocol.py), whichever kind it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from capabilities import Amendment, Revocation
from capabilities.amendments import amend
from gateway.broker.protocol import ParticipantRecord
from gateway.core import Amended, Draft, Ended, Joined, Left, Relayed
from schemas import CloseCode
from tests.gateway.broker.hearing import Hearing, roster_after
from tests.gateway.seats import NOW

Change = Callable[[ParticipantRecord], Sequence[Amendment]]


def promote(*patterns: str, topic: str | None = None) -> Change:
    """A change that adds patterns."""

    def change(record: ParticipantRecord) -> list[Amendment]:
        mine = next((each for each in record.amendments if each.topic == topic), Amendment(record.id, topic))
        others = [each for each in record.amendments if each.topic != topic]
        return [*others, amend(mine, add=patterns, now=NOW)]

    return change


async def test_a_new_topic_is_empty_and_begins_at_nothing(node: Hearing) -> None:
    snapshot = await node.enter("ops")

    assert (snapshot.position, snapshot.joined) == (0, ())
    assert snapshot.epoch


async def test_what_is_published_is_heard_in_order_and_once(node: Hearing) -> None:
    await node.enter("ops")
    alice = await node.join("alice")
    texts = [f"text {number}" for number in range(1000)]
    for text in texts:
        node.say(alice, text)
    await node.until_said(texts[-1])

    assert node.said() == texts
    assert [position for position, _ in node.heard["ops"]] == list(range(1, 1002))


async def test_bytes_come_back_as_they_went(node: Hearing) -> None:
    await node.enter("ops")
    alice = await node.join("alice")
    entry = Relayed(alice.connection, "alice", ("bob", "carol"), bytes(range(256)) * 4096)
    node.broker.publish("ops", [Draft(entry, alice, node.position())])
    await node.until(lambda: len(node.entries()) == 2)

    assert node.entries()[1] == entry


async def test_topics_have_orders_of_their_own(node: Hearing) -> None:
    await node.enter("ops")
    await node.enter("dev")
    alice, bob = await node.join("alice"), await node.join("bob", topic="dev")
    node.say(alice, "in ops")
    node.say(bob, "in dev")
    await node.until_said("in ops")
    await node.until_said("in dev", "dev")

    assert (node.said("ops"), node.said("dev")) == (["in ops"], ["in dev"])
    assert (node.position("ops"), node.position("dev")) == (2, 2)


async def test_look_shows_who_is_there_in_order_of_joining(node: Hearing) -> None:
    await node.enter("ops")
    members = [await node.join(name) for name in ("carol", "alice", "bob")]
    node.leave(members[1])
    await node.until(lambda: isinstance(node.entries()[-1], Left))

    seen = await node.broker.look("ops")

    assert seen is not None
    assert [joined.record for joined in seen.joined] == [members[0].record, members[2].record]
    assert seen.position == node.position()


async def test_nobody_is_seen_where_nobody_is(node: Hearing) -> None:
    assert await node.broker.look("ops") is None
    await node.enter("ops")

    assert await node.broker.look("ops") is None
    assert await node.broker.topics() == []


async def test_topics_are_those_in_which_somebody_is(node: Hearing) -> None:
    await node.enter("ops")
    await node.enter("dev")
    await node.join("alice")

    assert await node.broker.topics() == ["ops"]


async def test_a_topic_that_all_have_left_begins_anew(node: Hearing) -> None:
    first = await node.enter("ops")
    alice = await node.join("alice")
    node.leave(alice)
    await node.broker.exit("ops")
    second = await node.enter("ops")

    assert second.epoch != first.epoch
    assert (second.position, second.joined) == (0, ())


async def test_nothing_is_heard_after_the_exit(node: Hearing) -> None:
    await node.enter("ops")
    alice = await node.join("alice")
    await node.broker.exit("ops")
    before = list(node.heard["ops"])
    node.say(alice, "too late")
    await node.enter("dev")
    await node.join("bob", topic="dev")

    assert node.heard["ops"] == before


async def test_what_was_published_before_the_exit_is_appended(node: Hearing) -> None:
    await node.enter("ops")
    alice, bob = await node.join("alice"), await node.join("bob")
    for number in range(600):
        node.say(alice, str(number))
    node.leave(alice)
    await node.broker.exit("ops")
    seen = await node.broker.look("ops")

    assert not node.not_taken
    assert node.said() == [str(number) for number in range(600)]
    assert seen is None or [joined.record for joined in seen.joined] == [bob.record]


async def test_a_draft_judged_before_an_amendment_is_handed_back_after_it_was_heard(node: Hearing) -> None:
    await node.enter("ops")
    alice, bob = await node.join("alice"), await node.join("bob")
    judged_at = node.position()
    await node.broker.amend("alice", promote("mcp/*"), NOW)
    draft = node.say(alice, "by the old rights", judged_at=judged_at)
    await node.until(lambda: bool(node.handed_back))
    node.say(bob, "from somebody else", judged_at=judged_at)
    await node.until_said("from somebody else")

    assert node.handed_back == [draft]
    assert "by the old rights" not in node.said()
    assert any(isinstance(entry, Amended) for entry in node.entries())


async def test_drafts_handed_back_can_be_published_again(node: Hearing) -> None:
    await node.enter("ops")
    node.judges_anew = True
    alice = await node.join("alice")
    judged_at = node.position()
    await node.broker.amend("alice", promote("mcp/*"), NOW)
    texts = [f"text {number}" for number in range(20)]
    for text in texts:
        node.say(alice, text, judged_at=judged_at)
    await node.until_said(texts[-1])

    assert node.said() == texts


async def test_a_join_judged_before_an_amendment_is_handed_back(node: Hearing) -> None:
    await node.enter("ops")
    standing = await node.broker.standing("ops", "alice", "jti-alice")
    await node.broker.amend("alice", promote("mcp/*"), NOW)
    member = node.member("alice")
    node.broker.publish("ops", [Draft(Joined(member.record, 0, []), member, standing.position)])
    await node.until(lambda: bool(node.handed_back))
    await node.join("alice")

    assert [entry.version for entry in node.entries() if isinstance(entry, Joined)] == [1]


async def test_a_join_judged_before_a_revocation_of_its_token_is_handed_back(node: Hearing) -> None:
    await node.enter("ops")
    standing = await node.broker.standing("ops", "alice", "jti-1")
    revocation = Revocation.of_token("jti-1", by="root", at=NOW, max_lifetime_s=3600)
    await node.broker.revoke(revocation, Ended(CloseCode.REVOKED, NOW, jti="jti-1"))
    member = node.member("alice", jti="jti-1")
    node.broker.publish("ops", [Draft(Joined(member.record, 0, []), member, standing.position)])
    await node.until(lambda: bool(node.handed_back))

    assert (await node.broker.standing("ops", "alice", "jti-1")).revocations == (revocation,)


async def test_another_token_of_the_same_participant_is_not_handed_back(node: Hearing) -> None:
    await node.enter("ops")
    alice = await node.join("alice", jti="jti-2")
    judged_at = node.position()
    revocation = Revocation.of_token("jti-1", by="root", at=NOW, max_lifetime_s=3600)
    await node.broker.revoke(revocation, Ended(CloseCode.REVOKED, NOW, jti="jti-1"))
    node.say(alice, "still here", judged_at=judged_at)
    await node.until_said("still here")

    assert not node.handed_back


async def test_promotions_are_kept_and_shown_at_the_next_join(node: Hearing) -> None:
    await node.enter("ops")
    await node.broker.remember("alice", ["chat"], NOW)
    await node.broker.amend("alice", promote("mcp/*"), NOW)
    await node.broker.amend("alice", promote("x-acme/*", topic="dev"), NOW)
    record = await node.broker.participant("alice")
    await node.join("alice")

    assert record is not None
    assert (record.version, record.base, record.seen_at) == (2, ("chat",), NOW)
    assert [each.topic for each in record.amendments_in("dev")] == [None, "dev"]
    joined = node.entries()[-1]
    assert isinstance(joined, Joined)
    assert joined.amendments == [each.to_json() for each in record.amendments_in("ops")]


async def test_what_a_change_raises_passes_through_and_changes_nothing(node: Hearing) -> None:
    def refuse(record: ParticipantRecord) -> list[Amendment]:
        raise LookupError(record.id)

    with pytest.raises(LookupError, match="alice"):
        await node.broker.amend("alice", refuse, NOW)
    assert await node.broker.participant("alice") is None


async def test_the_same_amendment_again_keeps_the_version(node: Hearing) -> None:
    await node.broker.amend("alice", promote("mcp/*"), NOW)
    record = await node.broker.amend("alice", promote("mcp/*"), NOW)

    assert record.version == 1


async def test_an_amendment_for_one_topic_is_said_there_only(node: Hearing) -> None:
    await node.enter("ops")
    await node.enter("dev")
    await node.join("alice")
    alice_in_dev = await node.join("alice", topic="dev")
    await node.broker.amend("alice", promote("mcp/*", topic="ops"), NOW)
    node.say(alice_in_dev, "a marker")
    await node.until_said("a marker", "dev")
    await node.until(lambda: isinstance(node.entries()[-1], Amended))

    assert not any(isinstance(entry, Amended) for entry in node.entries("dev"))


async def test_a_look_after_an_amendment_shows_it_with_the_connections(node: Hearing) -> None:
    await node.enter("ops")
    await node.join("alice")
    record = await node.broker.amend("alice", promote("mcp/*"), NOW)
    seen = await node.broker.look("ops")

    assert seen is not None
    assert [(joined.version, joined.amendments) for joined in seen.joined] == [
        (record.version, [each.to_json() for each in record.amendments])
    ]


async def test_everybody_ever_seen_is_listed(node: Hearing) -> None:
    await node.broker.remember("bob", ["chat"], NOW)
    await node.broker.amend("alice", promote("mcp/*"), NOW)

    assert sorted(record.id for record in await node.broker.participants()) == ["alice", "bob"]
    assert await node.broker.participant("carol") is None


async def test_ending_says_whom_it_closes(node: Hearing) -> None:
    await node.enter("ops")
    await node.enter("dev")
    alice, _ = await node.join("alice"), await node.join("bob")
    alice_in_dev = await node.join("alice", topic="dev")
    ended = Ended(CloseCode.DISCONNECTED, NOW, participant="alice")
    here = await node.broker.end("ops", ended)
    everywhere = await node.broker.end(None, ended)

    assert here.closed == (alice.record,)
    assert {record.connection for record in everywhere.closed} == {alice.connection, alice_in_dev.connection}
    await node.until(lambda: ended in node.entries() and ended in node.entries("dev"))


async def test_revocations_are_kept_oldest_first_until_they_mean_nobody(node: Hearing) -> None:
    old = Revocation.of_token("jti-1", by="root", at=NOW - 9000, max_lifetime_s=3600)
    newer = Revocation.of_participant("alice", by="root", at=NOW - 10, max_lifetime_s=3600, topic="ops")
    newest = Revocation.of_participant("alice", by="root", at=NOW, max_lifetime_s=3600)
    for each in (old, newer, newest):
        await node.broker.revoke(each, Ended(CloseCode.REVOKED, NOW, participant="alice"))

    assert [each for each in await node.broker.revocations() if each is not old and each != old] == [
        newer,
        newest,
    ]
    assert set((await node.broker.standing("ops", "alice", "jti-9")).revocations) >= {newer, newest}


async def test_a_leave_is_taken_even_for_a_topic_that_was_exited(node: Hearing) -> None:
    await node.enter("ops")
    alice = await node.join("alice")
    await node.broker.exit("ops")
    node.leave(alice)
    snapshot = await node.enter("ops")
    marker = await node.join("marker")

    assert list(roster_after(snapshot, node.heard["ops"])) == [marker.connection]


async def test_what_is_published_where_the_node_is_not_is_unavailable(node: Hearing) -> None:
    draft = node.say(node.member("alice"), "into the void")
    await node.until(lambda: bool(node.not_taken))

    assert node.not_taken == [draft]
