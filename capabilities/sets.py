"""What one participant holds: capabilities, compiled once and asked for every envelope."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from operator import eq
from typing import Final, Self
from weakref import WeakValueDictionary

from capabilities.patterns import Pattern
from schemas import Kind

KINDS_REMEMBERED: Final = 1024
"""Verdicts that one set keeps; one kind more, and it begins anew."""


class CapabilitySet:
    """
    Capabilities in the order in which they were given (MCPx 4.1, Example Capability Sets).

    Sets with the same patterns in the same order are one object, so a verdict
    found for one connection is there for all.
    """

    __slots__ = ("__weakref__", "_compiled", "_kept", "_verdicts", "patterns")

    patterns: tuple[str, ...]
    """As text, each once, in the order given."""

    _compiled: tuple[Pattern, ...]
    _verdicts: dict[int, bool]
    _kept: list[Kind]

    def __init__(self) -> None:
        raise TypeError("use CapabilitySet.of")

    @classmethod
    def of(cls, patterns: Iterable[str]) -> CapabilitySet:
        """
        Return the set of these patterns; doubles count once.

        Raises:
            PatternError: one of them is no capability; the error names it.
        """
        texts = tuple(dict.fromkeys(patterns))
        known = _interned.get(texts)
        if known is not None:
            return known
        made = object.__new__(cls)
        made.patterns = texts
        made._compiled = tuple(Pattern.parse(text) for text in texts)
        made._verdicts = {}
        made._kept = []
        return _interned.setdefault(texts, made)

    def grants(self, kind: Kind) -> bool:
        """
        Whether one of the patterns grants `kind` (MCPx 4.2, Gateway Enforcement).

        Verdicts are remembered by the identity of the kind: `Kind.parse`
        returns one object for one text, and hashing a kind costs more than all
        the rest of a hit. `_kept` keeps those kinds alive, so that no identity
        comes to mean another kind.
        """
        try:
            return self._verdicts[id(kind)]
        except KeyError:
            return self._decide(kind)

    def _decide(self, kind: Kind) -> bool:
        if len(self._kept) >= KINDS_REMEMBERED:
            self._verdicts.clear()
            self._kept.clear()
        verdict = self.granted_by(kind) is not None
        self._kept.append(kind)
        self._verdicts[id(kind)] = verdict
        return verdict

    def granted_by(self, kind: Kind) -> str | None:
        """Return the first pattern that grants `kind`."""
        pieces = str(kind).split(":")
        return next((str(pattern) for pattern in self._compiled if pattern.grants_pieces(pieces)), None)

    def covers(self, other: Pattern | CapabilitySet) -> bool:
        """
        Whether all that `other` grants is granted here; sound, like `covers` of two patterns.

        A pattern is covered if one member covers it; a set if each of its patterns is.
        """
        if isinstance(other, CapabilitySet):
            return all(self.covers(Pattern.parse(text)) for text in other.patterns)
        return any(mine.covers(other) for mine in self._compiled)

    def union(self, other: CapabilitySet) -> CapabilitySet:
        """Return the set with these patterns, then those of `other`."""
        return CapabilitySet.of(self.patterns + other.patterns)

    def nearest(self, kind: Kind) -> str | None:
        """
        Return the narrowest pattern that would grant `kind`: what to ask an admin for.

        `None` if it is granted already, or reserved, so that nothing grants it.
        """
        if kind.is_reserved or self.grants(kind):
            return None
        return str(kind)

    def closest(self, kind: Kind) -> str | None:
        """
        Return the held pattern whose text agrees longest with the kind's: what was perhaps meant to grant it.

        `None` if none agrees at all.
        """
        text = str(kind)
        found, longest = None, 0
        for pattern in self.patterns:
            agreement = sum(takewhile(bool, map(eq, pattern, text)))
            if agreement > longest:
                found, longest = pattern, agreement
        return found

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, tuple[tuple[str, ...]]]:
        return CapabilitySet.of, (self.patterns,)

    def __repr__(self) -> str:
        return f"CapabilitySet.of({list(self.patterns)!r})"


_interned: Final[WeakValueDictionary[tuple[str, ...], CapabilitySet]] = WeakValueDictionary()

EMPTY: Final = CapabilitySet.of(())
"""Holds nothing: its owner may only listen."""
