"""What a node makes of what it hears, whatever the link drops, doubles or brings late (sans-I/O)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from gateway.broker.redis_frame import Batch, Forged, Meta, Seal, read_roster
from gateway.broker.redis_replica import OrderBroken, Replica, Told, name_of
from gateway.core import Amended, Draft, Ended, Entry, Gone, Joined, Left, Relayed
from tests.gateway.seats import NOW, seat

EPOCH = "e1"


def order_of(sizes: list[int]) -> list[tuple[int, Batch]]:
    """An order of batches of these sizes, each with the position of its first entry."""
    order: list[tuple[int, Batch]] = []
    position = 0
    for number, size in enumerate(sizes, 1):
        entries = [Relayed("n1/1", "alice", (), str(position + index + 1).encode()) for index in range(size)]
        order.append((position + 1, Batch("n1", number, entries)))
        position += size
    return order


def begun() -> Replica:
    replica = Replica("ops")
    replica.begin(EPOCH, 0, "", {}, "run")
    assert list(replica.resume()) == []
    return replica


@given(st.lists(st.integers(1, 4), min_size=1, max_size=20), st.data())
def test_whatever_is_dropped_doubled_or_comes_again_each_entry_is_told_once_and_in_order(
    sizes: list[int], data: st.DataObject
) -> None:
    order = order_of(sizes)
    replica, told = begun(), list[int]()
    for place in range(len(order)):
        again = data.draw(st.integers(0, 2), "times heard")
        older = data.draw(st.integers(0, place), "and one of before")
        for first, batch in [order[place]] * again + [order[older]]:
            told += places(replica.take(EPOCH, first, batch))
        if not replica.is_live and data.draw(st.booleans(), "the stream is read"):
            told += fill(replica, order[: place + 1])
    if replica.position < sum(sizes):
        replica.is_live = False
        told += fill(replica, order)

    assert told == list(range(1, sum(sizes) + 1))
    assert replica.is_live
    assert replica.last == name_of(order[-1][1])


def places(told: Iterable[Told]) -> list[int]:
    return [place for first, entries in told for place in range(first, first + len(entries))]


def fill(replica: Replica, order: list[tuple[int, Batch]]) -> list[int]:
    """Read the stream as the broker does: from the last position on."""
    ends = [(first + len(batch.entries) - 1, batch) for first, batch in order]
    page = [(end, batch) for end, batch in ends if end >= max(replica.position, 1)]
    replica.check(
        [EPOCH.encode(), str(ends[-1][0]).encode(), name_of(ends[-1][1]).encode()],
        [end for end, _ in page],
        "run",
    )
    told = [place for end, batch in page for place in places(replica.fill(end, batch))]
    return told + places(replica.resume())


def test_another_life_of_the_topic_breaks_the_order() -> None:
    replica = begun()
    with pytest.raises(OrderBroken):
        list(replica.take("e2", 1, order_of([1])[0][1]))


def test_a_batch_said_again_at_a_new_place_is_no_news() -> None:
    replica = begun()
    ((_, batch),) = order_of([1])
    assert places(replica.take(EPOCH, 1, batch)) == [1]
    with pytest.raises(Forged):
        list(replica.take(EPOCH, 2, batch))
    assert replica.position == 1


def test_a_batch_from_beyond_what_redis_has_is_not_waited_for_and_what_came_since_is_told() -> None:
    replica = begun()
    ((first, batch),) = order_of([1])
    assert list(replica.take(EPOCH, 9, Batch("n1", 7, batch.entries))) == []
    replica.asking()
    assert list(replica.take(EPOCH, first, batch)) == []

    with pytest.raises(Forged):
        list(replica.resume())

    assert replica.position == 1
    assert replica.is_live
    assert places(replica.take(EPOCH, 2, Batch("n1", 2, batch.entries))) == [2]


@pytest.mark.parametrize(
    ("facts", "held", "run_id"),
    [
        ([None, None, None], [], "run"),
        ([b"e2", b"3", b"n1 3"], [], "run"),
        ([b"e1", b"2", b"n1 2"], [2], "run"),
        ([b"e1", b"3", b"n2 7"], [3], "run"),
        ([b"e1", b"5", b"n1 5"], [4, 5], "another"),
    ],
    ids=["forgotten", "born again", "gone back", "gone back and on", "started again, the last entry trimmed"],
)
def test_an_order_that_does_not_go_on_from_here_is_broken(
    facts: list[bytes | None], held: list[int], run_id: str
) -> None:
    replica = begun()
    for first, batch in order_of([1, 1, 1]):
        list(replica.take(EPOCH, first, batch))
    with pytest.raises(OrderBroken):
        replica.check(facts, held, run_id)


def test_an_entry_that_stands_otherwise_than_it_was_told_is_noticed() -> None:
    replica = begun()
    for first, batch in order_of([1, 1]):
        list(replica.take(EPOCH, first, batch))
    with pytest.raises(OrderBroken):
        list(replica.fill(2, Batch("n2", 9, [Relayed("n2/1", "mallory", (), b"2")])))


def promised() -> Replica:
    """One that has heard one batch, and whose own second and third were taken but are not heard yet."""
    replica, order = begun(), order_of([1, 2, 1])
    for first, batch in order:
        replica.promise(first + len(batch.entries) - 1, batch.node, batch.number)
    list(replica.take(EPOCH, *order[0]))
    replica.pause()
    replica.asking()
    return replica


def test_what_redis_took_of_ones_own_is_heard_where_it_was_taken() -> None:
    replica = promised()

    assert fill(replica, order_of([1, 2, 1])) == [2, 3, 4]
    replica.asking()
    replica.check([b"e1", b"4", b"n1 3"], [4], "run")


def test_what_redis_took_of_ones_own_and_has_no_more_breaks_the_order_though_it_was_never_heard() -> None:
    for position, last in [(b"1", b"n1 1"), (b"3", b"n1 2")]:
        with pytest.raises(OrderBroken, match="has lost what it had accepted"):
            promised().check([b"e1", position, last], [], "run")
    with pytest.raises(OrderBroken, match="has lost what it had accepted"):
        list(promised().fill(3, Batch("n2", 9, order_of([1, 2])[1][1].entries)))


def test_what_was_taken_after_redis_was_asked_is_not_missed_in_its_answer() -> None:
    replica = begun()
    replica.asking()
    replica.promise(1, "n1", 1)

    replica.check([b"e1", b"0", b""], [], "run")


entries: st.SearchStrategy[Entry] = st.one_of(
    st.builds(
        Relayed,
        connection=st.text(max_size=5),
        sender=st.text(max_size=5),
        to=st.tuples(st.text(max_size=5)),
        data=st.binary(max_size=50),
    ),
    st.builds(Left, connection=st.text(max_size=5), at=st.just(NOW)),
    st.builds(Gone, node=st.text(max_size=5), at=st.just(NOW)),
    st.builds(
        Amended,
        participant=st.just("alice"),
        version=st.integers(0, 9),
        amendments=st.just([{"topic": None, "changes": [{"pattern": "chat", "expires_at": 1.5}]}]),
        at=st.just(NOW),
    ),
    st.builds(
        Ended, code=st.just(4403), at=st.just(NOW), jti=st.text(max_size=5), iat_until=st.integers(0, 2**53)
    ),
)


@given(st.lists(entries, max_size=5), st.binary(min_size=1, max_size=40))
def test_a_batch_survives_a_trip_over_redis(batch: list[Entry], key: bytes) -> None:
    seal = Seal(key)
    stored = seal.close("ops", "e1", "n1", 7, batch)

    assert seal.open("ops", "e1", stored) == Batch("n1", 7, batch), "known by its bytes"
    assert seal.open("ops", "e1", stored) == Batch("n1", 7, batch), "by its seal, the second time"
    assert Seal(key).open("ops", "e1", stored) == Batch("n1", 7, batch), "elsewhere"
    assert seal.open_published("ops", b"e1 41 " + stored) == ("e1", 41, Batch("n1", 7, batch))


@given(st.lists(entries, min_size=1, max_size=3), st.data())
def test_a_seal_holds_for_one_topic_one_life_one_node_one_number_and_these_bytes(
    batch: list[Entry], data: st.DataObject
) -> None:
    seal = Seal(b"k" * 32)
    stored = bytearray(seal.close("ops", "e1", "n1", 7, batch))
    with pytest.raises(Forged):
        seal.open("dev", "e1", bytes(stored))
    with pytest.raises(Forged):
        seal.open("ops", "e2", bytes(stored))
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Forged):
        seal.open("ops", "e1", bytes(stored))


def test_who_does_not_hear_a_topic_can_end_connections_there_and_neither_join_nor_speak() -> None:
    seal, gone = Seal(b"k" * 32), Gone("n2", NOW)
    spoken = Relayed("n1/1", "alice", (), b"x")

    assert seal.open("ops", "e1", seal.close("ops", "", "n1", 7, [gone])).entries == [gone]
    with pytest.raises(Forged):
        seal.open("ops", "e1", seal.close("ops", "", "n1", 7, [gone, spoken]))


@given(st.binary(max_size=60))
def test_what_is_no_batch_is_forged(junk: bytes) -> None:
    with pytest.raises(Forged):
        Seal().open_published("ops", junk)


def test_nodes_understand_each_other_at_every_moment_while_a_key_is_replaced() -> None:
    """Each node goes from the old key over both to the new one, and is at most a step from every other."""
    said: list[Entry] = [Relayed("n1/1", "alice", (), b"x")]

    def at(step: int) -> Seal:
        seal = Seal(b"old" * 12)
        for keys in ([b"old" * 12, b"new" * 12], [b"new" * 12])[:step]:
            seal.change_keys(keys)
        return seal

    for mine, other in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)]:
        stored = at(mine).close("ops", "e1", "n1", 7, said)
        assert at(other).open("ops", "e1", stored).entries == said
    with pytest.raises(Forged):
        Seal(b"new" * 12).open("ops", "e1", at(1).close("ops", "e1", "n1", 7, said))


def test_subjects_are_judged_by_the_oldest_of_their_drafts() -> None:
    alice, bob = seat("alice", "chat"), seat("bob", "chat")
    said = Relayed("n1/alice", "alice", (), b"")
    drafts = [Draft(said, alice, 9), Draft(said, bob, 4), Draft(said, alice, 7), Draft(said, None, 0)]

    subjects, judged, operations = msgpack.decode(Meta.of([said] * 4, drafts).packed)
    assert dict(zip(subjects, judged, strict=True)) == {
        "alice": 7,
        "jti:jti-alice": 7,
        "bob": 4,
        "jti:jti-bob": 4,
    }
    assert operations == []


def test_a_roster_is_read_in_order_of_joining_with_the_rights_of_each() -> None:
    alice, bob = seat("alice", "chat").record, seat("bob", "chat").record
    values = [b"12 " + msgpack.encode(alice), b"9 " + msgpack.encode(bob)]
    amended = [b"alice", b"3 " + msgpack.encode([{"topic": "ops"}])]

    assert read_roster(values, amended) == (Joined(bob, 0, []), Joined(alice, 3, [{"topic": "ops"}]))
