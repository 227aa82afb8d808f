"""
One topic's deliveries: what becomes ready in one round of the loop leaves in one write per member.

Everybody's envelopes are joined once and the same bytes are written to each
member. What only one is to hear (its welcome, a refusal, what a Directed member
is named in) goes into that member's own join, in its place.

A small topic is flushed at the end of a read. Who was read is owed its own copy
for a moment: the answer comes meanwhile, and both leave in one write. Where none
has come, the next copies leave at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gateway.core import Member
from gateway.transport import compiled, frame_head, frames_of

SMALL: Final = 8
"""Members up to which a topic is flushed at the end of a read: nothing is gained by waiting for more."""
_MAX_BATCH_BYTES: Final = 1 << 18
"""
A batch is flushed when it has grown to this, so that no write is larger than sockets like.
An envelope beyond it goes by itself, its head first: joining would copy it once more.
"""
_HOPS: Final = 3
_RECEIVERS_A_HOP: Final = 8
"""Further rounds that an expensive flush waits while more keeps arriving, and one more for each so many
receivers: what comes meanwhile saves a write to each. Never a timer: a millisecond of delay cut closed
loops to a fifth."""
_MOST_OWED_BYTES: Final = 1 << 13
"""A larger batch is owed to nobody: to join it to what comes next costs more than a write."""
_MOST_PROMPT: Final = 63
"""Copies that leave at once after one that waited for nothing: one, then three, seven, at last so many."""
_AT_ONCE: Final = 128
"""Members up to which a flush is one: what a round more costs is seen where a message goes to a hundred."""
_SLICE: Final = 64
"""Members written to in one round otherwise; then others have their turn: a quarter of a millisecond."""


_NOTHING: Final[tuple[Member | None, bytes, Sequence[bytes]]] = (None, b"", ())


class Fanout:
    """The pending deliveries of one topic on one node."""

    __slots__ = (
        "_begun",
        "_bytes",
        "_delivered",
        "_envelopes",
        "_hops",
        "_is_due",
        "_is_overdue",
        "_offset",
        "_owed",
        "_private",
        "_prompt",
        "_receivers",
        "_rest",
        "_seen",
        "_spell",
        "_turn",
        "is_small",
        "was_given",
    )

    def __init__(
        self,
        turn: Callable[[Callable[[], None]], object],
        delivered: Callable[[int, int], None],
    ) -> None:
        """
        `turn` calls what it is given in the next round of the loop; `delivered` is told how
        much everybody was given: envelopes and their bytes.
        """
        self._turn, self._delivered = turn, delivered
        self._receivers: Sequence[Member] = ()
        self.is_small = True
        """Whether a flush is cheap."""
        self._envelopes: list[bytes] = []
        self._bytes = 0
        self._private: dict[Member, list[tuple[int, bytes]]] = {}
        """For one member alone: after how many of everybody's envelopes, and what."""
        self._begun: dict[Member, int] = {}
        """Who is new: after how many of everybody's envelopes it begins to hear them."""
        self._owed = _NOTHING
        """Who was read last, and what has gone to the others since."""
        self._is_overdue = False
        self._spell = self._prompt = 0
        """Copies that leave at once since one has waited for nothing: of so many, how many are left."""
        self._is_due = False
        self._hops = self._seen = 0
        self._rest: tuple[Sequence[Member], bytes, Sequence[bytes]] | None = None
        """A large flush that is under way, and up to whom it has come."""
        self._offset = 0
        self.was_given = False
        """Whether its members may have something waiting: set by its owner, as long as it is not sure."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is pending, owed or under way."""
        return self._owed is _NOTHING and not (self._envelopes or self._private or self._rest)

    @property
    def _most_hops(self) -> int:
        return _HOPS + len(self._receivers) // _RECEIVERS_A_HOP

    def deliver(self, envelopes: Sequence[bytes], receivers: Sequence[Member]) -> None:
        """Deliver envelopes to members, whose list is kept and replaced when it changes."""
        if receivers is not self._receivers:
            self._change(receivers)
        for data in envelopes:
            size = len(data)
            if size > _MAX_BATCH_BYTES:
                self._deliver_alone(data)
                continue
            self._envelopes.append(data)
            self._bytes += size
            if self._bytes > _MAX_BATCH_BYTES:
                self.flush()

    def _deliver_alone(self, data: bytes) -> None:
        self.flush()
        head, alone = frame_head(len(data)), (data,)
        for member in self._receivers:
            member.outbox.send_long(head, alone)
        self._delivered(len(self._receivers), len(self._receivers) * len(data))

    def deliver_also(self, envelopes: Sequence[bytes], members: Sequence[Member]) -> None:
        """Deliver envelopes to members picked for them alone."""
        for member in members:
            for data in envelopes:
                self.tell(data, member)
        self._delivered(len(members) * len(envelopes), len(members) * sum(map(len, envelopes)))

    def tell(self, data: bytes, member: Member) -> None:
        """Deliver an envelope to one member alone, after what was delivered before."""
        self._private.setdefault(member, []).append((len(self._envelopes), data))

    def _change(self, receivers: Sequence[Member]) -> None:
        """
        Take up another list of receivers.

        One that has only grown keeps what is pending together, so that a
        thousand joins do not take a thousand writes to each of a thousand.
        """
        before = len(self._receivers)
        if self._envelopes and receivers[:before] == self._receivers:
            for newcomer in receivers[before:]:
                self._begun[newcomer] = len(self._envelopes)
                self._private.setdefault(newcomer, [])
        else:
            self.flush()
        self._receivers, self.is_small = receivers, len(receivers) <= SMALL

    def schedule(self) -> None:
        """See to it that what is pending leaves soon."""
        if self._is_due:
            return
        self._is_due = True
        self._hops = self._seen = 0
        self._turn(self._hop)

    def _hop(self) -> None:
        pending = len(self._envelopes)
        if self._rest is not None:
            self._turn(self._hop)  # the flush before has its turns yet
        elif pending != self._seen and not self.is_small and self._hops < self._most_hops:
            self._seen = pending
            self._hops += 1
            self._turn(self._hop)
        else:
            self._is_due = False
            self.flush(in_slices=True)

    def flush_but(self, reader: Member) -> bool:
        """
        Write what is pending, but owe `reader`, who was just read, its copy.

        Return whether anything is owed: `pay_overdue` is to be called from time to time.
        """
        if self._private or self._rest is not None or not self._envelopes or self._bytes > _MOST_OWED_BYTES:
            self.flush()
            return False
        if self._prompt:
            self._prompt -= 1
            self.flush()
            return False
        frames, envelopes = self._take()
        (creditor, before, earlier), self._owed = self._owed, _NOTHING
        if creditor is not reader:
            self._is_overdue = False
        for member in self._receivers:
            wire, heard = frames, envelopes
            if member is creditor:
                self._spell = 0
                wire, heard = before + frames, [*earlier, *envelopes]
            if member is reader and len(wire) <= _MOST_OWED_BYTES:
                self._owed = (member, wire, heard)
            else:
                member.outbox.send(wire, heard)
        return self._owed is not _NOTHING

    def pay_overdue(self) -> bool:
        """Pay what was owed already when this was asked before; return whether anything is owed still."""
        if self._owed is _NOTHING:
            return False
        if not self._is_overdue:
            self._is_overdue = True
            return True
        self._pay()
        self._spell = self._prompt = min(2 * self._spell + 1, _MOST_PROMPT)
        return False

    def _pay(self) -> None:
        (creditor, frames, envelopes), self._owed = self._owed, _NOTHING
        if creditor is not None:
            creditor.outbox.send(frames, envelopes)

    def _take(self) -> tuple[bytes, Sequence[bytes]]:
        """Begin anew; return everybody's frames and the envelopes in them."""
        envelopes, receivers = self._envelopes, len(self._receivers)
        self._delivered(len(envelopes) * receivers, self._bytes * receivers)
        self._envelopes, self._bytes = [], 0
        return frames_of(envelopes), envelopes

    def flush(self, *, in_slices: bool = False) -> None:
        """Write what is owed and pending; with `in_slices` a large topic takes several rounds."""
        if self._owed is not _NOTHING:
            self._pay()
        if self._rest is not None:
            self._write_rest()
        private = self._private
        if not self._envelopes:
            if private:
                self._private = {}
                self._begun.clear()
                for member, told in private.items():
                    _send(member, [data for _, data in told])
            return
        frames, envelopes = self._take()
        receivers = self._receivers
        if private:
            self._private = {}
            receivers = [member for member in receivers if member not in private]
            shared = {member for member in self._receivers if member in private}
            begun, self._begun = self._begun, {}
            for member, told in private.items():
                _send(member, _interleaved(envelopes if member in shared else [], told, begun.get(member, 0)))
        if in_slices and len(receivers) > _AT_ONCE:
            self._rest, self._offset = (receivers, frames, envelopes), 0
            self._write_slice()
            return
        send_each(receivers, frames, envelopes)

    def _write_slice(self) -> None:
        if self._rest is None:
            return  # somebody could not wait
        receivers, frames, envelopes = self._rest
        start, self._offset = self._offset, self._offset + _SLICE
        if self._offset >= len(receivers):
            self._rest = None
        else:
            self._turn(self._write_slice)
        send_each(receivers[start : start + _SLICE], frames, envelopes)

    def _write_rest(self) -> None:
        assert self._rest is not None
        (receivers, frames, envelopes), self._rest = self._rest, None
        send_each(receivers[self._offset :], frames, envelopes)


def send_one_by_one(members: Sequence[Member], frames: bytes, envelopes: Sequence[bytes]) -> None:
    """Give each of these the same frames."""
    for member in members:
        member.outbox.send(frames, envelopes)


send_each: Final = compiled.send_each or send_one_by_one
"""As `send_one_by_one`; compiled, if there was a compiler."""


def _interleaved(envelopes: Sequence[bytes], told: Sequence[tuple[int, bytes]], at: int) -> list[bytes]:
    """What one member hears: everybody's envelopes from `at` on, and its own at their places."""
    mixed: list[bytes] = []
    for place, data in told:
        if envelopes:
            mixed += envelopes[at:place]
            at = max(at, place)
        mixed.append(data)
    mixed += envelopes[at:]
    return mixed


def _send(member: Member, envelopes: list[bytes]) -> None:
    member.outbox.send(frames_of(envelopes), envelopes)
