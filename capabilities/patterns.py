"""
What one capability grants (MCPx 4.1, Wildcard Patterns; 4.2, Pattern Matching Examples).

This is a security surface: every door of the gateway asks here. The rules:

- A pattern is compared part by part (family, method, context). A `*` that ends
  the whole pattern matches any remainder, further parts included; another `*`
  stays inside its part, and never crosses a colon.
- A method without context grants every context of that method. A pattern with
  a context never grants the kind without one. A family alone grants that bare
  kind alone.
- `chat` is granted by `chat` alone. Reserved kinds are granted by nothing.
- Whoever may propose X may withdraw it; whoever may request X may reject its
  proposal.

A context may hold colons, and a `*` does not cross those either. So kinds and
patterns alike are rows of pieces between colons, and a part's boundary is one
colon among others: matching part by part is matching piece by piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from capabilities.errors import PatternError
from capabilities.globs import Glob
from schemas import MAX_KIND_BYTES, Kind, is_kind_text

MAX_PATTERN_BYTES: Final = MAX_KIND_BYTES
"""A longer pattern could only match kinds that are longer than kinds may be."""

_PATTERNS_REMEMBERED: Final = 4096

_IMPLIED: Final = (
    ("mcp/proposal", Glob.parse("mcp/withdraw")),
    ("mcp/request", Glob.parse("mcp/reject")),
)
"""Who may send the first with a method, may send the second with the same method and context."""

_RESERVED: Final = tuple(Glob.parse(text) for text in ("system", "system/*", "presence", "presence/*"))
"""Families, in lower case, that only the gateway sends (MCPx 4.1, Reserved Namespace)."""

_CHAT: Final = Glob.parse("chat")
_ANYTHING: Final = Glob.parse("*")


@dataclass(frozen=True, slots=True)
class _Shape:
    """One row of globs, and whether more pieces may follow."""

    pieces: tuple[Glob, ...]
    is_open: bool

    def grants(self, pieces: list[str]) -> bool:
        """Whether a kind made of these pieces is one of this shape's."""
        if not self._reaches(len(pieces)):
            return False
        if pieces == ["chat"]:
            return self.is_chat()
        return all(map(Glob.matches, self.pieces, pieces))

    def covers(self, other: _Shape) -> bool:
        """Whether every kind of `other` is one of this shape's."""
        if not self._reaches(len(other.pieces)) or (other.is_open and not self.is_open):
            return False
        if other.is_chat():
            return self.is_chat()
        return all(map(Glob.includes, self.pieces, other.pieces))

    def meets(self, other: _Shape) -> bool:
        """Whether some kind is of both shapes."""
        if not self._reaches(len(other.pieces)) and not other._reaches(len(self.pieces)):
            return False
        if self.is_chat() or other.is_chat():
            return self == other
        return all(map(Glob.meets, self.pieces, other.pieces))

    def is_chat(self) -> bool:
        """Whether it is `chat` itself, which no `*` reaches."""
        return self.pieces == (_CHAT,)

    def implied(self) -> list[_Shape]:
        """Return the shapes that come with this one."""
        family, *rest = self.pieces
        if not rest and self.is_open:
            rest = [_ANYTHING]  # a final "*" in the family reaches methods without naming one
        if not rest:
            return []
        come_along = (
            _Shape((implied, *rest), self.is_open) for source, implied in _IMPLIED if family.matches(source)
        )
        return [shape for shape in come_along if not self.covers(shape)]

    def _reaches(self, count: int) -> bool:
        """Whether a kind may have so many pieces."""
        return count >= len(self.pieces) if self.is_open else count == len(self.pieces)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One capability: its text, and the kinds that it grants."""

    text: str
    _shapes: tuple[_Shape, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """
        Read a capability (MCPx 4.1, Wildcard Patterns).

        Raises:
            PatternError: `text` could match a reserved kind, is the bare `*`,
                is empty, or can never match; the error says which.
        """
        return _parse_once(text)

    def grants(self, kind: Kind) -> bool:
        """Whether its holder may send `kind`, a withdrawal or rejection that comes along included."""
        return self.grants_pieces(str(kind).split(":"))

    def grants_pieces(self, pieces: list[str]) -> bool:
        """Whether its holder may send the kind whose wire form, split at every colon, is `pieces`."""
        return any(shape.grants(pieces) for shape in self._shapes)

    def covers(self, other: Pattern) -> bool:
        """Whether this grants all that `other` grants; see `covers`."""
        return all(any(mine.covers(its) for mine in self._shapes) for its in other._shapes)

    def overlaps(self, other: Pattern) -> bool:
        """Whether both grant some kind; see `overlaps`."""
        return any(mine.meets(its) for mine in self._shapes for its in other._shapes)

    def __str__(self) -> str:
        return self.text


def covers(a: Pattern, b: Pattern) -> bool:
    """
    Whether `a` grants all that `b` grants.

    Sound always: after a yes, every kind that `b` grants is granted by `a`. It
    says no where only several of `a`'s shapes together would do.
    """
    return a.covers(b)


def overlaps(a: Pattern, b: Pattern) -> bool:
    """
    Whether some kind is granted by both.

    After a no, there is none. After a yes there is one, unless each such kind
    were longer than kinds may be.
    """
    return a.overlaps(b)


def _parse(text: str) -> Pattern:
    if not text:
        raise PatternError(text, "it is empty")
    if not text.strip("*"):
        raise PatternError(text, "a bare '*' would grant everything; name what is meant")
    if len(text) > MAX_PATTERN_BYTES:
        raise PatternError(text, f"it can never match: kinds have at most {MAX_KIND_BYTES} bytes")
    if not is_kind_text(text):
        raise PatternError(text, "it can never match: kinds are printable ASCII without spaces")
    if not all(text.split(":", 2)):
        raise PatternError(text, "it can never match: one of its parts is empty")
    pieces = tuple(Glob.parse(piece) for piece in text.split(":"))
    family = pieces[0].lower()
    if any(family.meets(reserved) for reserved in _RESERVED):
        raise PatternError(text, "it could match a kind that is reserved for the gateway")
    # With two pieces there is a method and no context, which grants every context.
    shape = _Shape(pieces, is_open=text.endswith("*") or len(pieces) == 2)
    return Pattern(text, (shape, *shape.implied()))


_parse_once: Final = lru_cache(maxsize=_PATTERNS_REMEMBERED)(_parse)
