"""
Texts with `*` in them: which texts they match, and how two of them relate.

A pattern of kinds is a row of globs (`capabilities/patterns.py`). Everything
here works on one piece between colons, so a `*` matches any characters. No
regular expressions: matching takes time linear in the text for each literal
run, whatever a pattern's author had in mind.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glob:
    """Literal runs with a `*` between each two: `("a", "b")` is `a*b`, `("a",)` is `a` itself."""

    runs: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Glob:
        """Read a text in which every `*` stands for any characters, or none."""
        return cls(tuple(text.split("*")))

    def is_literal(self) -> bool:
        """Whether it matches one text only."""
        return len(self.runs) == 1

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` fits."""
        first, last = self.runs[0], self.runs[-1]
        if self.is_literal():
            return text == first
        end = len(text) - len(last)
        # "ab*bc" does not match "abc": its first and last run may not share characters.
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return False
        at = len(first)
        for run in self.runs[1:-1]:
            # The leftmost place leaves the most room for the runs to come.
            found = text.find(run, at, end)
            if found < 0:
                return False
            at = found + len(run)
        return True

    def includes(self, other: Glob) -> bool:
        """
        Whether every text that `other` matches fits here.

        `other` is read as a text in which `*` is a letter like no other: no
        literal run of ours holds it, so one of our own `*` must take it, and
        would take whatever stands there instead.
        """
        return self.matches(str(other))

    def meets(self, other: Glob) -> bool:
        """
        Whether some text fits both.

        If both have a `*`, the beginnings and the endings must agree and
        nothing else: all inner runs of the one, then all of the other, can
        stand between them.
        """
        if self.is_literal():
            return other.matches(self.runs[0])
        if other.is_literal():
            return self.matches(other.runs[0])
        first, its_first = self.runs[0], other.runs[0]
        last, its_last = self.runs[-1], other.runs[-1]
        begin_alike = first.startswith(its_first) or its_first.startswith(first)
        end_alike = last.endswith(its_last) or its_last.endswith(last)
        return begin_alike and end_alike

    def lower(self) -> Glob:
        """Return the glob of the same texts in lower case."""
        return Glob(tuple(run.lower() for run in self.runs))

    def __str__(self) -> str:
        return "*".join(self.runs)
