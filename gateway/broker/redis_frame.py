"""
What nodes say to each other over Redis, and who may have said it.

A batch is stored and published as `NODE NUMBER SEAL PAYLOAD`; published, it has
`EPOCH FIRST ` before it, from which a receiver sees a gap in one number. The
seal is an HMAC over topic, epoch, node, number and payload, so that who can
reach Redis but lacks the key cannot speak for a node; numbers rise within a
life of the topic, so that what was said once cannot be said again.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.core import (
    Amended,
    ConnectionRecord,
    Draft,
    Ended,
    Entry,
    Gone,
    Joined,
    Left,
    Relayed,
    token_subject,
)
from gateway.errors import GatewayError


class Forged(GatewayError):
    """Not what a node of this gateway says, or not at this place."""

    def __str__(self) -> str:
        return "what came over Redis is not from a node of this gateway"


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that one node appended in one go."""

    node: str
    number: int
    """Rises with each batch of the node."""
    entries: Sequence[Entry]


_OWN: Final = 64
"""Topics of which the last batch said here is remembered until it comes back."""

_encode: Final = msgspec.msgpack.Encoder().encode
_entries: Final = msgspec.msgpack.Decoder(list[Entry])
_record: Final = msgspec.msgpack.Decoder(ConnectionRecord)
_amendments: Final = msgspec.msgpack.Decoder(list[dict[str, Any]])


class Seal:
    """
    Signs batches and reads them. Without a key it signs nothing and believes everybody.

    The first key signs, all are believed, for nodes do not change theirs at
    the same moment.
    """

    def __init__(self, *keys: bytes) -> None:
        self._keys = tuple(key for key in keys if key)
        self._own: dict[str, tuple[str, bytes, Batch]] = {}
        """By topic: the last batch that was signed here and has not come back: epoch, bytes, and itself."""

    @property
    def is_signing(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    def change_keys(self, keys: Sequence[bytes]) -> None:
        """Sign with the first of these, and go on believing the earlier ones."""
        self._keys = tuple(dict.fromkeys((*keys, *self._keys)))

    def _is_ours(self, seal: bytes, *parts: bytes) -> bool:
        return not self._keys or any(hmac.compare_digest(seal, _sign(key, *parts)) for key in self._keys)

    def close(self, topic: str, epoch: str, node: str, number: int, entries: Sequence[Entry]) -> bytes:
        """Return a batch as it is stored; without an epoch whoever says it does not hear the topic."""
        payload, who, nth = _encode(entries), node.encode(), b"%d" % number
        parts = (topic.encode(), epoch.encode(), who, nth, payload)
        seal = _sign(self._keys[0], *parts) if self._keys else b"-"
        stored = b" ".join((who, nth, seal, payload))
        if epoch:
            if len(self._own) >= _OWN:
                self._own.clear()
            self._own[topic] = (epoch, stored, Batch(node, number, entries))
        return stored

    def open(self, topic: str, epoch: str, stored: bytes) -> Batch:
        """
        Read a batch stored in one life of a topic.

        Raises:
            Forged: the seal is not right, or it is no batch.
        """
        own = self._own.get(topic)
        if own is not None and own[0] == epoch and own[1] == stored:
            # The very bytes that were signed here, in the same life: that is what their seal would say.
            del self._own[topic]
            return own[2]
        try:
            node, number, seal, payload = stored.split(b" ", 3)
            parts = (node, number, payload)
            is_of_this_life = self._is_ours(seal, topic.encode(), epoch.encode(), *parts)
            if not is_of_this_life and not self._is_ours(seal, topic.encode(), b"", *parts):
                raise Forged
            entries = _entries.decode(payload)
            if not is_of_this_life and any(isinstance(entry, Joined | Relayed) for entry in entries):
                raise Forged  # only those who hear a topic say these
            return Batch(node.decode(), int(number), entries)
        except (ValueError, msgspec.MsgspecError) as error:
            raise Forged from error

    def open_published(self, topic: str, message: bytes) -> tuple[str, int, Batch]:
        """
        Read a published batch: its epoch, the position of its first entry, and itself.

        Raises:
            Forged: see `open`.
        """
        try:
            epoch, first, stored = message.split(b" ", 2)
            return epoch.decode(), int(first), self.open(topic, epoch.decode(), stored)
        except ValueError as error:
            raise Forged from error


def _sign(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"\0".join(parts), "sha256").hex().encode()


@dataclass(frozen=True, slots=True)
class Meta:
    """What the script must know of a batch besides its bytes."""

    packed: bytes
    """Subjects, the oldest position by which each was judged, and what the entries do to the roster."""
    parts: Sequence[bytes] = ()
    """Values that the script keeps without reading; operations name them by their index."""

    @classmethod
    def of(cls, entries: Sequence[Entry], drafts: Sequence[Draft] = ()) -> Meta:
        """Read it from a batch's entries and the drafts that they come from."""
        judged: dict[str, int] = {}
        last: Draft | None = None
        for draft in drafts:
            if last is not None and draft.member is last.member and draft.judged_at >= last.judged_at:
                continue  # nothing that the one before has not said
            last = draft
            for subject in draft.subjects:
                judged[subject] = min(judged.get(subject, draft.judged_at), draft.judged_at)
        parts: list[bytes] = []
        operations = [
            operation
            for index, entry in enumerate(entries)
            if not isinstance(entry, Relayed) and (operation := _operation(index, entry, parts)) is not None
        ]
        return cls(_encode([list(judged), list(judged.values()), operations]), parts)

    @classmethod
    def of_gone(cls, node: str, *, is_certain: bool) -> Meta:
        """Of a node that is gone; unless that is certain, only if its lease has run out."""
        return cls(_encode([[], [], [["gone", 0, node, is_certain]]]))


def _operation(index: int, entry: Entry, parts: list[bytes]) -> list[Any] | None:
    """What an entry does to the topic's keys, as the script reads it. Its msgpack knows no binary."""
    match entry:
        case Joined(record=record):
            parts += (_encode(record), _encode(entry.amendments))
            names = [record.connection, len(parts) - 1, record.participant]
            return ["join", index, *names, entry.version, len(parts)]
        case Left():
            return ["left", index, entry.connection]
        case Amended():
            parts.append(_encode(entry.amendments))
            return ["amend", index, entry.participant, entry.version, len(parts)]
        case Ended():
            subjects = [entry.participant] if entry.participant is not None else []
            if entry.jti is not None:
                subjects.append(token_subject(entry.jti))
            meant = [entry.participant, entry.jti, entry.iat_until]
            return ["end", index, subjects or ["*"], *(False if each is None else each for each in meant)]
        case Gone():
            raise AssertionError("said by `of_gone`, with its condition")
        case Relayed():
            return None  # nearly every one: not asked for


def read_record(packed: bytes) -> ConnectionRecord:
    """Read a connection as the roster keeps it."""
    return _record.decode(packed)


def read_roster(roster: Sequence[bytes], amended: Sequence[bytes]) -> tuple[Joined, ...]:
    """Read the roster hash's values and the amended hash, as the scripts return them."""
    rights: dict[str, tuple[int, list[dict[str, Any]]]] = {}
    for participant, value in zip(amended[::2], amended[1::2], strict=True):
        version, packed = value.split(b" ", 1)
        rights[participant.decode()] = (int(version), _amendments.decode(packed))
    placed = []
    for value in roster:
        position, packed = value.split(b" ", 1)
        placed.append((int(position), _record.decode(packed)))
    placed.sort(key=lambda item: item[0])
    return tuple(Joined(record, *rights.get(record.participant, (0, []))) for _, record in placed)
