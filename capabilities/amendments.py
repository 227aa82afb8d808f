"""
What an admin added to a participant's rights, and took away (MCPx 11.3, Capability Promotion API).

Effective = (the token's and added) minus removed, patterns compared as text.
An amendment outlives the connection and the token: a later token is amended
too. It ends when it is reverted or its time is over, and then what stood
before stands again: a promotion for an hour over a lasting removal ends in
that removal, not in what the token says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from capabilities.errors import StillGranted
from capabilities.patterns import Pattern
from schemas import JsonObject


class Effect(StrEnum):
    """What a change does to a pattern."""

    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One pattern, added or removed."""

    pattern: str
    effect: Effect
    expires_at: float | None = None
    """Unix seconds; from then on it counts no more. `None`: until reverted."""

    def is_live(self, now: float) -> bool:
        """Whether it still counts."""
        return self.expires_at is None or now < self.expires_at

    def outlasts(self, other: Change) -> bool:
        """Whether it counts as long as `other`, or longer."""
        if self.expires_at is None:
            return True
        return other.expires_at is not None and other.expires_at <= self.expires_at


@dataclass(frozen=True, slots=True)
class Amendment:
    """All changes to one participant's rights, in one topic or in all."""

    participant: str
    topic: str | None = None
    """`None`: in every topic."""
    changes: tuple[Change, ...] = ()
    """Oldest first; of a pattern at most one of each effect, and the newer live one counts."""

    def live(self, now: float) -> Mapping[str, Effect]:
        """Return what holds for each pattern at `now`, in the order of the changes."""
        return {change.pattern: change.effect for change in self.changes if change.is_live(now)}

    def to_json(self) -> JsonObject:
        """Return the amendment as a JSON object, for keeping and listing."""
        return {
            "participant": self.participant,
            "topic": self.topic,
            "changes": [
                {"pattern": change.pattern, "effect": str(change.effect), "expires_at": change.expires_at}
                for change in self.changes
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """
        Read what `to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        return cls(
            value["participant"],
            value["topic"],
            tuple(
                Change(change["pattern"], Effect(change["effect"]), change["expires_at"])
                for change in value["changes"]
            ),
        )


def effective(base: Sequence[str], amendments: Sequence[Amendment], now: float) -> tuple[str, ...]:
    """
    Return the patterns that a participant holds: its token's, amended.

    What is said of one topic comes after, and wins over, what is said of all.
    The token's keep their order; what was added follows.
    """
    held = dict.fromkeys(base)
    for amendment in sorted(amendments, key=lambda amendment: amendment.topic is not None):
        for pattern, effect in amendment.live(now).items():
            if effect is Effect.ADDED:
                held.setdefault(pattern)
            else:
                held.pop(pattern, None)
    return tuple(held)


def amend(
    current: Amendment,
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    expires_at: float | None = None,
    now: float,
    base: Sequence[str] = (),
    others: Sequence[Amendment] = (),
) -> Amendment:
    """
    Return `current` with patterns added and removed until `expires_at`; the same again changes nothing.

    `base` is what the participant's tokens bring, `others` are its amendments
    of other scope that count in the same place: with them it is seen whether
    a removal would do what it says. Changes whose time is over are dropped.

    Raises:
        PatternError: one of the patterns is no capability.
        StillGranted: what is removed stays granted, wholly or partly, by
            another pattern; the error names both.
    """
    added = [str(Pattern.parse(text)) for text in dict.fromkeys(add)]
    removed = [str(Pattern.parse(text)) for text in dict.fromkeys(remove)]
    changes = [change for change in current.changes if change.is_live(now)]
    for pattern in removed:
        changes = _with(changes, Change(pattern, Effect.REMOVED, expires_at))
    for pattern in added:
        changes = _with(changes, Change(pattern, Effect.ADDED, expires_at))
    amended = replace(current, changes=tuple(changes))
    _check_gone(removed, effective(base, [amended, *others], now))
    return amended


def revert(current: Amendment, patterns: Iterable[str] | None = None) -> Amendment:
    """Return `current` without its changes to `patterns`, or to any: the token's word stands again."""
    if patterns is None:
        return replace(current, changes=())
    gone = frozenset(patterns)
    return replace(current, changes=tuple(change for change in current.changes if change.pattern not in gone))


def _with(changes: list[Change], new: Change) -> list[Change]:
    """Append `new`, without the older ones that it replaces or that could never count again."""
    kept = [
        change
        for change in changes
        if change.pattern != new.pattern or (change.effect is not new.effect and not new.outlasts(change))
    ]
    return [*kept, new]


def _check_gone(removed: Sequence[str], held: Sequence[str]) -> None:
    for text in removed:
        pattern = Pattern.parse(text)
        for other in held:
            if pattern.overlaps(Pattern.parse(other)):
                raise StillGranted(text, other)
