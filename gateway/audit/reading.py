"""
An audit log from its end: the newest acts, without walking all that was ever done.

Lines are numbered, and each names the one before by its hash; so a page can be
found by halves, and the lines that are read are held against each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from gateway.audit.chain import RECOVERED, AuditedAct, Verification, parse_line
from schemas import JsonObject

MOST_LINES: Final = 10_000
"""Looked at for one page, however few of them are wanted."""

OUTCOME_WITHIN: Final = 1_000
"""Lines after an act's first in which its second is looked for."""

_BLOCK_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Page:
    """Some acts, newest first."""

    acts: list[AuditedAct]
    chain: Verification
    next: int | None
    """`before` of the next page, which may hold nothing wanted; `None`: there is nothing older."""


def read_back(
    file: BinaryIO,
    end: int,
    chain: Verification,
    keep: Callable[[AuditedAct], bool],
    limit: int,
    before: int | None,
) -> Page:
    """
    Return up to `limit` acts that `keep` accepts, older than the line numbered `before`.

    `chain` is what is known of the lines up to the offset `end`. That those
    which are read fit each other is looked at again: they may have been altered since.
    """
    start = end if before is None else _offset_of(file, before + OUTCOME_WITHIN, end)
    links = _Links(chain.head if start == end else None)
    outcomes: dict[int, JsonObject] = {}
    acts: list[AuditedAct] = []
    oldest: int | None = None
    for nth, line in enumerate(_lines_before(file, start), 1):
        record = links.take(line)
        if record is not None:
            seq = oldest = record["seq"]
            if "of" in record:
                outcomes.setdefault(record["of"], record)
            elif record.get("what") != RECOVERED and (before is None or seq < before):
                act = AuditedAct.of(record, outcomes.get(seq, {}))
                if keep(act):
                    acts.append(act)
        if len(acts) == limit or nth == MOST_LINES + OUTCOME_WITHIN:
            break
    else:
        oldest = None
    if chain.is_intact and links.broken_at is not None:
        why = "the line before it was altered, or lines are missing"
        chain = Verification(chain.lines, chain.head, links.broken_at, why)
    return Page(acts, chain, oldest if oldest is None or oldest > 1 else None)


class _Links:
    """Whether each line is the one that the next names; taken from the last to the first."""

    def __init__(self, head: str | None) -> None:
        """`head` is the hash of the last line, if it is known."""
        self._named, self._by = head, 0
        self.broken_at: int | None = None
        """Number of the oldest line that names another than the one before it; 0 for `head`."""

    def take(self, line: bytes) -> JsonObject | None:
        """Take the line before; return its record, `None` for one cut short."""
        if self._named is not None and hashlib.sha256(line).hexdigest() != self._named:
            self.broken_at = self._by
        record = parse_line(line)
        self._named, self._by = (None, 0) if record is None else (record["prev"], record["seq"])
        return record


def _lines_before(file: BinaryIO, end: int) -> Iterator[bytes]:
    """Yield the lines that end before an offset, which is the end of one, last first."""
    beginning = b""
    is_last = True
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        file.seek(start)
        beginning, *lines = (file.read(end - start) + beginning).split(b"\n")
        if is_last and lines:
            is_last = False
            lines.pop()  # behind the end of the last line is nothing
        yield from reversed(lines)
        end = start
    if not is_last:
        yield beginning


def _offset_of(file: BinaryIO, seq: int, end: int) -> int:
    """Return where the first line numbered `seq` or more begins; `end`, if none is."""
    low, high = 0, end
    while low < high:
        middle = (low + high) // 2
        found = _numbered(file, middle, end)
        if found is None or found[1] >= seq:
            high = middle
        else:
            low = middle + 1
    found = _numbered(file, low, end)
    return end if found is None else found[0]


def _numbered(file: BinaryIO, offset: int, end: int) -> tuple[int, int] | None:
    """Return where the first line begins that does so at `offset` or later, and its number."""
    file.seek(max(0, offset - 1))
    if offset:
        file.readline()
    while (start := file.tell()) < end:
        record = parse_line(file.readline().removesuffix(b"\n"))
        if record is not None:
            return start, record["seq"]
    return None
