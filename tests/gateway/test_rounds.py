"""When deliveries leave: a round's reads are taken before the first is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.core import Member
from gateway.fanout import SMALL, Fanout
from gateway.rounds import _POLLS, _READS_ALONE, Rounds
from tests.gateway.seats import RecordingOutbox, outbox, seat


class Topic:
    """A fan-out, and members who hear all of it."""

    def __init__(self, rounds: Rounds, members: int = 2) -> None:
        self._rounds = rounds
        self.fanout = Fanout(rounds.turn, lambda _envelopes, _size: None)
        self.members = [seat(f"m{number}", "chat") for number in range(members)]

    def is_read(self, who: Member, data: bytes) -> None:
        """One read, of one envelope."""
        self._rounds.reader = who
        self.fanout.deliver([data], self.members)
        self._rounds.touch(self.fanout)
        self._rounds.read_done()

    @property
    def heard(self) -> list[Sequence[bytes]]:
        return [outbox(member).sent for member in self.members]


class Listening(RecordingOutbox):
    """Says when something comes."""

    def __init__(self) -> None:
        super().__init__()
        self.has_come = asyncio.Event()

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None:
        super().send(frames, envelopes)
        self.has_come.set()


async def test_all_reads_of_a_round_are_taken_before_the_first_is_answered() -> None:
    rounds = Rounds()
    first, second = Topic(rounds), Topic(rounds)
    first.is_read(first.members[0], b"1")
    second.is_read(second.members[0], b"2")
    assert first.heard == second.heard == [[], []]

    await asyncio.sleep(0)

    assert (first.heard, second.heard) == ([[], [b"1"]], [[], [b"2"]])


async def test_after_a_read_that_came_alone_the_next_are_answered_at_once() -> None:
    rounds = Rounds()
    topic = Topic(rounds)
    ann, bob = topic.members
    topic.is_read(ann, b"alone")
    await asyncio.sleep(0)

    for number in range(_READS_ALONE):
        topic.is_read(ann, b"%d" % number)
        assert len(outbox(bob).sent) == 2 + number
    topic.is_read(ann, b"perhaps one of many again")
    assert len(outbox(bob).sent) == 1 + _READS_ALONE

    await asyncio.sleep(0)

    assert len(outbox(bob).sent) == 2 + _READS_ALONE


async def test_of_what_two_say_in_one_round_nobody_is_owed_anything() -> None:
    topic = Topic(Rounds())
    ann, bob = topic.members
    topic.is_read(ann, b"1")
    topic.is_read(bob, b"2")

    await asyncio.sleep(0)

    assert topic.heard == [[b"1", b"2"], [b"1", b"2"]]


async def test_a_large_flush_takes_its_turn_behind_small_topics() -> None:
    rounds = Rounds()
    small, heard = Topic(rounds), []
    rounds.turn(lambda: heard.extend(outbox(small.members[1]).sent))
    small.is_read(small.members[0], b"1")

    await asyncio.sleep(0)

    assert heard == [b"1"]


async def test_a_large_topic_is_read_once_more_before_it_is_written_to() -> None:
    large = Topic(Rounds(), SMALL + 1)
    large.members[-1].outbox = listening = Listening()
    large.is_read(large.members[0], b"1")
    await asyncio.sleep(0)
    assert not any(large.heard)

    async with asyncio.timeout(10):
        await listening.has_come.wait()

    assert large.heard == [[b"1"]] * (SMALL + 1)


async def test_the_loop_polls_on_for_an_answer_and_comes_to_rest() -> None:
    rounds = Rounds()
    topic = Topic(rounds)
    topic.is_read(topic.members[0], b"1")
    await asyncio.sleep(0)
    assert rounds._polls == _POLLS

    for _ in range(_POLLS):
        await asyncio.sleep(0)

    assert not rounds._polls


async def test_who_gets_no_answer_hears_its_own_all_the_same() -> None:
    topic = Topic(Rounds())
    ann = topic.members[0]
    ann.outbox = listening = Listening()
    topic.is_read(ann, b"is anybody there?")

    async with asyncio.timeout(10):
        await listening.has_come.wait()

    assert topic.heard == [[b"is anybody there?"]] * 2
