"""
The lines of an audit log, and what makes them a chain. No I/O.

Each line is one JSON object that holds the SHA-256 of the line before it, so a
line that is changed, removed or put between breaks the chain from there on.
What is cut off at the end shows only to who noted the head.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from schemas import JsonObject

GENESIS: Final = "0" * 64
"""`prev` of the first line."""

RECOVERED: Final = "audit.recover"
"""`what` of the line that follows one which a crash cut short."""

_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
"""What a JWT looks like, where somebody pasted one into a reason."""

_MAX_TEXT: Final = 2000
"""Characters kept of any text."""


class Outcome(StrEnum):
    """What came of an act."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    """It may be in force or not: the store did not answer, or the gateway failed."""
    UNKNOWN = "unknown"
    """No second line: the process ended in between, or the disk was full."""


@dataclass(frozen=True, slots=True)
class Act:
    """What an admin sets out to do."""

    who: str
    """The admin's id, as its token says."""
    token: str
    """`jti` of that token."""
    what: str
    """`noun.verb`: `capabilities.change`, `access.revoke`, `participant.disconnect`."""
    target: str
    topic: str | None
    """`None`: all topics."""
    why: str
    facts: JsonObject = field(default_factory=dict)
    """What was asked for, such as `add` and `remove`."""

    def to_json(self) -> JsonObject:
        """Return the members of the line that begins it."""
        return {
            "who": self.who,
            "token": self.token,
            "what": self.what,
            "target": self.target,
            "topic": self.topic,
            "why": self.why,
            "facts": self.facts,
        }


@dataclass(frozen=True, slots=True)
class AuditedAct:
    """An act as it is read back: its two lines in one."""

    seq: int
    at: str
    """RFC 3339."""
    act: Act
    outcome: Outcome
    result: JsonObject

    @classmethod
    def of(cls, begun: JsonObject, ended: JsonObject) -> AuditedAct:
        """Read the line that began it and the one that ended it, `{}` where there is none."""
        topic, facts, result = begun.get("topic"), begun.get("facts"), ended.get("result")
        outcome = str(ended.get("outcome", ""))
        return cls(
            seq=begun["seq"],
            at=str(begun.get("at", "")),
            act=Act(
                who=str(begun.get("who", "")),
                token=str(begun.get("token", "")),
                what=str(begun.get("what", "")),
                target=str(begun.get("target", "")),
                topic=topic if isinstance(topic, str) else None,
                why=str(begun.get("why", "")),
                facts=facts if isinstance(facts, dict) else {},
            ),
            outcome=Outcome(outcome) if outcome in set(Outcome) else Outcome.UNKNOWN,
            result=result if isinstance(result, dict) else {},
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of checking a chain."""

    lines: int
    head: str
    """SHA-256 of the last line: who notes it can prove later that nothing was cut off."""
    broken_at: int | None = None
    """Number of the first line that does not fit, from 1."""
    why: str = ""

    @property
    def is_intact(self) -> bool:
        return self.broken_at is None

    def __str__(self) -> str:
        if self.broken_at is None:
            return f"{self.lines} lines, intact, head {self.head}"
        return f"broken at line {self.broken_at}: {self.why}"


class ChainBroken(Exception):
    """A line does not fit the ones before it; the text says why."""


class Chain:
    """A chain as far as its lines were walked."""

    __slots__ = ("head", "is_torn", "lines", "offset", "seq")

    def __init__(self) -> None:
        self.lines = self.seq = 0
        self.head = GENESIS
        self.is_torn = False
        """Whether the last line was cut short by a crash; the next one must say so."""
        self.offset = 0
        """Bytes walked."""

    def take(self, line: bytes) -> JsonObject | None:
        """
        Take the next line, without its end; return its record, `None` for one cut short.

        Raises:
            ChainBroken: it does not fit.
        """
        record = parse_line(line)
        if record is None:
            if self.is_torn:
                raise ChainBroken("it is no audit line")
            self.is_torn = True
        else:
            if record["prev"] != self.head:
                raise ChainBroken("the line before it was altered, or lines are missing")
            if record["seq"] != self.seq + 1:
                raise ChainBroken(f"its seq is {record['seq']}, not {self.seq + 1}")
            if self.is_torn and record.get("what") != RECOVERED:
                raise ChainBroken("the line before it is no audit line")
            self.seq, self.is_torn = self.seq + 1, False
        self.lines += 1
        self.head = hashlib.sha256(line).hexdigest()
        self.offset += len(line) + 1
        return record

    def next_line(self, at: str, members: JsonObject) -> bytes:
        """
        Return the line, without its end, that would continue the chain.

        It is ASCII, with every control character escaped, so that no text in it
        can end it or begin another.
        """
        record = {"seq": self.seq + 1, "prev": self.head, "at": at, **_clean(members)}
        return json.dumps(record, ensure_ascii=True, separators=(",", ":"), default=str).encode()


def parse_line(line: bytes) -> JsonObject | None:
    """Return the record of a line, `None` where it is none: it has number and predecessor."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("prev"), str):
        return None
    is_ours = isinstance(record.get("seq"), int) and isinstance(record.get("of", 0), int)
    return record if is_ours else None


def without_tokens(text: str) -> str:
    """Return a text in which nothing that looks like a JWT stands."""
    return _TOKEN.sub("[token]", text)


def _clean(value: Any) -> Any:
    """Return a JSON value without tokens and without endless texts."""
    match value:
        case str():
            return without_tokens(value)[:_MAX_TEXT]
        case dict():
            return {_clean(str(name)): _clean(member) for name, member in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case _:
            return value
