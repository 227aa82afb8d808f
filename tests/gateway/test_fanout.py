"""What each member of a topic hears, however deliveries, members and rounds of the loop come together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import fanout as fanout_module
from gateway.core import Member
from gateway.fanout import SMALL, Fanout
from gateway.transport import frame_head
from schemas import CloseCode
from tests.gateway.seats import seat


class Ear:
    """An outbox that keeps each write, and checks that its frames are its envelopes."""

    def __init__(self) -> None:
        self.writes: list[tuple[bytes, list[bytes]]] = []
        self.long: list[Sequence[bytes]] = []
        """What was too long to be joined to its head."""

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None:
        assert frames == b"".join(frame_head(len(data)) + data for data in envelopes)
        self.writes.append((frames, list(envelopes)))

    def send_long(self, head: bytes, envelopes: Sequence[bytes]) -> None:
        self.long.append(envelopes)
        self.send(head + envelopes[0], envelopes)

    def close(self, code: CloseCode) -> None:
        raise AssertionError("nobody is closed")

    def is_behind(self) -> bool:
        return False

    @property
    def waiting_bytes(self) -> int:
        return 0

    @property
    def heard(self) -> list[bytes]:
        return [data for _, envelopes in self.writes for data in envelopes]


class Rounds:
    """The loop's `call_soon`, one round at a time."""

    def __init__(self) -> None:
        self.ready: deque[Callable[[], None]] = deque()

    def call_soon(self, call: Callable[[], None]) -> None:
        self.ready.append(call)

    def one(self) -> None:
        for _ in range(len(self.ready)):
            self.ready.popleft()()

    def all(self) -> None:
        while self.ready:
            self.one()


def uncounted(envelopes: int, size: int) -> None:
    """Where nobody asks how much was delivered."""


def members(count: int) -> list[Member]:
    seats = [seat(f"m{number}", "chat") for number in range(count)]
    for member in seats:
        member.outbox = Ear()
    return seats


def ear(member: Member) -> Ear:
    assert isinstance(member.outbox, Ear)
    return member.outbox


# Any history

EVERYBODY: Final = 7
steps = st.one_of(
    st.tuples(st.just("deliver"), st.integers(0, 130) | st.just(400)),
    st.tuples(st.just("tell"), st.integers(0, EVERYBODY - 1)),
    st.tuples(st.just("members"), st.sets(st.integers(0, EVERYBODY - 1)).map(lambda of: tuple(sorted(of)))),
    st.tuples(st.just("flush"), st.booleans()),
    st.tuples(st.just("flush but"), st.integers(0, EVERYBODY - 1)),
    st.tuples(st.just("pay"), st.none()),
    st.tuples(st.just("schedule"), st.none()),
    st.tuples(st.just("round"), st.none()),
)


@given(st.lists(steps, max_size=40))
def test_each_member_hears_what_it_should_in_order_and_once(
    history: list[tuple[str, int | bool | tuple[int, ...] | None]],
) -> None:
    everybody, rounds = members(EVERYBODY), Rounds()
    fanout = Fanout(rounds.call_soon, uncounted)
    present: list[Member] = list(everybody)
    due: dict[str, list[bytes]] = {member.id: [] for member in everybody}

    small = mock.patch.multiple(fanout_module, SMALL=1, _AT_ONCE=2, _SLICE=2, _MAX_BATCH_BYTES=300)
    with small:
        for number, (step, value) in enumerate(history):
            match step, value:
                case "deliver", int(size) if present:
                    data = b"%d:" % number + b"x" * size
                    fanout.deliver([data], present)
                    for member in present:
                        due[member.id].append(data)
                case "tell", int(whom):
                    data = b"%d: you alone" % number
                    fanout.tell(data, everybody[whom])
                    due[everybody[whom].id].append(data)
                case "members", tuple(whom):
                    present = [everybody[one] for one in whom]
                case "flush", bool(in_slices):
                    fanout.flush(in_slices=in_slices)
                case "flush but", int(whom):
                    fanout.flush_but(everybody[whom])
                case "pay", _:
                    fanout.pay_overdue()
                case "schedule", _:
                    fanout.schedule()
                case "round", _:
                    rounds.one()
            for member in everybody:
                assert ear(member).heard == due[member.id][: len(ear(member).heard)]
        fanout.schedule()
        rounds.all()

    assert {member.id: ear(member).heard for member in everybody} == due


# What is written when


def test_what_came_in_one_round_is_one_write_of_the_same_bytes() -> None:
    everybody, rounds = members(20), Rounds()
    fanout = Fanout(rounds.call_soon, uncounted)
    for number in range(10):
        fanout.deliver([b"%d" % number], everybody)
        fanout.schedule()
    rounds.all()

    assert [len(ear(member).writes) for member in everybody] == [1] * 20
    assert len({id(ear(member).writes[0][0]) for member in everybody}) == 1


def test_what_one_alone_is_to_hear_stands_in_its_place() -> None:
    ann, bob = members(2)
    fanout = Fanout(Rounds().call_soon, uncounted)
    fanout.tell(b"welcome", ann)
    fanout.deliver([b"1"], [ann, bob])
    shared = [ann, bob]
    fanout.deliver([b"2"], shared)
    fanout.tell(b"refused", bob)
    fanout.deliver([b"3"], shared)
    fanout.flush()

    assert ear(ann).heard == [b"welcome", b"1", b"2", b"3"]
    assert ear(bob).heard == [b"1", b"2", b"refused", b"3"]


def test_who_was_read_hears_its_own_message_and_the_answer_in_one_write() -> None:
    ann, bob = both = members(2)
    fanout = Fanout(Rounds().call_soon, uncounted)
    fanout.deliver([b"question"], both)
    assert fanout.flush_but(ann)
    assert (ear(ann).heard, ear(bob).heard) == ([], [b"question"])

    fanout.deliver([b"answer"], both)
    assert fanout.flush_but(bob)
    assert [envelopes for _, envelopes in ear(ann).writes] == [[b"question", b"answer"]]

    assert fanout.pay_overdue()
    assert not fanout.pay_overdue()
    assert ear(bob).heard == [b"question", b"answer"]


def test_after_a_copy_that_waited_for_nothing_the_next_leave_at_once() -> None:
    ann, bob = both = members(2)
    fanout = Fanout(Rounds().call_soon, uncounted)

    def says(who: Member) -> bool:
        fanout.deliver([b"more"], both)
        return fanout.flush_but(who)

    def is_owed_in_vain() -> bool:
        return says(ann) and fanout.pay_overdue() and not fanout.pay_overdue()

    for prompt in (1, 3, 7):
        assert is_owed_in_vain()
        assert [says(ann) for _ in range(prompt)] == [False] * prompt
    assert says(ann)  # and this time an answer comes
    says(bob)
    says(ann)
    assert fanout.pay_overdue()
    assert not fanout.pay_overdue()
    assert [says(ann), says(ann)] == [False, True]
    fanout.flush()

    assert ear(ann).heard == ear(bob).heard


def test_who_goes_on_without_an_answer_is_owed_no_more_than_a_batch() -> None:
    ann, bob = both = members(2)
    fanout = Fanout(Rounds().call_soon, uncounted)
    for number in range(100):
        fanout.deliver([b"%03d" % number + b"x" * 997], both)
        fanout.flush_but(ann)
        assert len(ear(bob).heard) - len(ear(ann).heard) <= 8
    fanout.flush()

    assert ear(ann).heard == ear(bob).heard
    assert len(ear(ann).writes) < 20


def test_nobody_is_owed_what_is_large() -> None:
    ann, bob = both = members(2)
    fanout = Fanout(Rounds().call_soon, uncounted)
    fanout.deliver([b"question"], both)
    fanout.flush_but(ann)
    fanout.deliver([large := b"x" * 10_000], both)

    assert not fanout.flush_but(ann)
    assert ear(ann).heard == ear(bob).heard == [b"question", large]


def test_what_is_owed_goes_before_anything_that_comes_after_it() -> None:
    ann, bob = members(2)
    fanout = Fanout(Rounds().call_soon, uncounted)
    fanout.deliver([b"question"], [ann, bob])
    fanout.flush_but(ann)
    fanout.tell(b"refused", ann)
    fanout.flush()

    assert ear(ann).heard == [b"question", b"refused"]


def test_an_envelope_beyond_a_batch_is_not_joined_to_its_head() -> None:
    ann, bob = both = members(2)
    counted: list[tuple[int, int]] = []
    fanout = Fanout(Rounds().call_soon, lambda envelopes, size: counted.append((envelopes, size)))
    long = b"x" * ((1 << 18) + 1)
    for data in (b"before", long, b"after"):
        fanout.deliver([data], both)
    fanout.flush()

    assert ear(ann).heard == ear(bob).heard == [b"before", long, b"after"]
    assert ear(ann).long[0][0] is long
    assert ear(ann).long[0] is ear(bob).long[0]  # by which a compressor knows that it has done it
    assert counted == [(2, 12), (2, 2 * len(long)), (2, 10)]


def test_who_is_no_member_hears_only_what_it_is_told() -> None:
    ann, stranger = members(2)
    fanout = Fanout(Rounds().call_soon, uncounted)
    fanout.deliver([b"1"], [ann])
    fanout.tell(b"for you", stranger)
    fanout.flush()

    assert ear(stranger).heard == [b"for you"]


@pytest.mark.parametrize(("count", "is_small"), [(SMALL, True), (SMALL + 1, False)])
def test_a_topic_is_small_up_to_eight_members(count: int, is_small: bool) -> None:
    fanout = Fanout(Rounds().call_soon, uncounted)
    fanout.deliver([b"1"], members(count))

    assert fanout.is_small is is_small


def test_a_small_topic_waits_for_no_second_round() -> None:
    everybody, rounds = members(SMALL), Rounds()
    fanout = Fanout(rounds.call_soon, uncounted)
    fanout.deliver([b"1"], everybody)
    fanout.schedule()
    rounds.one()

    assert ear(everybody[-1]).heard == [b"1"]


@pytest.mark.parametrize(("receivers", "most"), [(SMALL + 1, 4), (100, 15)])
def test_a_large_topic_waits_the_longer_the_more_it_saves_while_more_comes(receivers: int, most: int) -> None:
    everybody, rounds = members(receivers), Rounds()
    fanout = Fanout(rounds.call_soon, uncounted)
    for number in range(most + 1):
        fanout.deliver([b"%d" % number], everybody)
        fanout.schedule()
        assert ear(everybody[0]).heard == []
        rounds.one()

    assert len(ear(everybody[0]).heard) == most + 1
    assert len(ear(everybody[0]).writes) == 1


def test_a_large_topic_waits_one_round_when_no_more_comes() -> None:
    everybody, rounds = members(SMALL + 1), Rounds()
    fanout = Fanout(rounds.call_soon, uncounted)
    fanout.deliver([b"1"], everybody)
    fanout.schedule()
    rounds.one()
    rounds.one()

    assert ear(everybody[0]).heard == [b"1"]
    assert not rounds.ready


def test_a_thousand_members_are_written_to_in_slices_and_nothing_overtakes_them() -> None:
    everybody, rounds = members(1000), Rounds()
    fanout = Fanout(rounds.call_soon, uncounted)
    fanout.deliver([b"1"], everybody)
    fanout.flush(in_slices=True)
    assert [len(ear(member).heard) for member in everybody] == [1] * 64 + [0] * 936

    rounds.one()
    assert sum(len(ear(member).heard) for member in everybody) == 128

    fanout.deliver([b"2"], everybody)
    fanout.tell(b"you", everybody[-1])
    fanout.flush(in_slices=True)
    assert ear(everybody[-1]).heard == [b"1", b"2", b"you"]
    rounds.all()

    assert all(ear(member).heard == [b"1", b"2"] for member in everybody[:-1])


def test_what_comes_during_a_flush_in_slices_leaves_together_after_it() -> None:
    everybody, rounds = members(300), Rounds()
    fanout = Fanout(rounds.call_soon, uncounted)
    fanout.deliver([b"1"], everybody)
    fanout.flush(in_slices=True)
    for data in (b"2", b"3"):
        fanout.deliver([data], everybody)
        fanout.schedule()
        rounds.one()
    rounds.all()

    assert [len(ear(member).writes) for member in everybody] == [2] * 300
    assert all(ear(member).heard == [b"1", b"2", b"3"] for member in everybody)


def test_a_batch_grows_to_a_quarter_of_a_mebibyte_and_one_envelope() -> None:
    everybody, size = members(2), 100_000
    fanout = Fanout(Rounds().call_soon, uncounted)
    for _ in range(10):
        fanout.deliver([b"x" * size], everybody)
    fanout.flush()

    sizes = [len(frames) for frames, _ in ear(everybody[0]).writes]
    assert sum(sizes) == 10 * (size + len(frame_head(size)))
    assert max(sizes) <= (1 << 18) + size + 10 * 3


def test_nothing_pending_is_nothing_written() -> None:
    everybody, rounds = members(3), Rounds()
    fanout = Fanout(rounds.call_soon, uncounted)
    fanout.deliver([b"1"], everybody)
    fanout.flush()
    fanout.flush(in_slices=True)
    fanout.schedule()
    rounds.all()

    assert [len(ear(member).writes) for member in everybody] == [1, 1, 1]
