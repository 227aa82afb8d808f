"""
Finds intents in a text that streams in: `[TOOL: …]`, never where brackets mean something else.

A state machine over single characters: linear in the text, and the same pieces
come out however the text was split. What is code, mathematics, an attribute, a
link or an index stays text; see `_Place`. One character after a closing bracket
is waited for, since `[x](` is a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

MOST_HELD: Final = 2_000
"""Characters of an open bracket that are held back; a longer one is text."""
_MARKER: Final = "tool:"


@dataclass(frozen=True, slots=True)
class Said:
    """Text to be passed on as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Wish:
    """An intent in its brackets."""

    intent: str
    """What is wanted, without marker and brackets."""
    raw: str
    """As it stood in the text."""


Piece = Said | Wish


class _Place(Enum):
    """Where the next character stands."""

    TEXT = auto()
    ESCAPED = auto()
    ESCAPED_BRACKET = auto()
    TICKS = auto()
    """In a run of backticks or tildes that may open code."""
    SPAN = auto()
    """`code`: ends at as many backticks, or with the paragraph."""
    FENCE = auto()
    """A fenced block: ends at a line of as many of its marks."""
    LINE = auto()
    """The rest of a line: behind a fence, or of `[x]: …`."""
    DOLLAR = auto()
    MATH = auto()
    TAG = auto()
    """Inside `<…>`, attributes included."""
    TARGET = auto()
    """`](…)`."""
    HELD = auto()
    """Inside a bracket that may be an intent."""
    CLOSED = auto()
    """Behind such a bracket."""


_CITATION: Final = re.compile(r"(?:\b(?:1[5-9]|20)\d{2}[a-z]?|\bp{1,2}\.\s*\d[\d–-]*)$")


class Scanner:
    """One stream's scanner. `bare` also takes `[what you want]`, without a marker, as an intent."""

    def __init__(self, *, bare: bool = False, most_held: int = MOST_HELD) -> None:
        self._bare, self._most = bare, most_held
        self._place = _Place.TEXT
        self._before = "\n"
        self._line = ""
        """What the current line began with, as far as it matters."""
        self._blank = True
        """Whether the current line has had nothing but spaces."""
        self._mark, self._run, self._seen = "", 0, 0
        self._closer = ""
        self._depth = 0
        self._length = 0
        self._held: list[str] = []
        self._text: list[str] = []
        self._out: list[Piece] = []

    def feed(self, chunk: str) -> list[Piece]:
        """Take the next piece of the stream; return what is certain now."""
        for letter in chunk:
            while not self._take(letter):
                pass
            self._note(letter)
        return self._taken()

    def finish(self) -> list[Piece]:
        """The stream is over: a bracket that is closed is an intent, one that is open is text."""
        return self.release()

    def release(self) -> list[Piece]:
        """It took too long: a bracket that is closed is an intent, one that is open is text."""
        if self.holds:
            self._decide("")
        return self._taken()

    @property
    def holds(self) -> bool:
        """Whether something is held back, so that a timer makes sense."""
        return self._place in {_Place.HELD, _Place.CLOSED}

    def _take(self, letter: str) -> bool:
        """Use one character up, or only change the place, and so be asked again."""
        match self._place:
            case _Place.TEXT:
                return self._in_text(letter)
            case _Place.HELD:
                return self._in_bracket(letter)
            case _Place.CLOSED:
                self._decide(letter)
                return False
            case _Place.TICKS:
                if letter != self._mark:
                    self._place = self._opened_code()
                    return False
                self._run += 1
            case _Place.ESCAPED | _Place.ESCAPED_BRACKET:
                return self._escaped(letter)
            case _Place.DOLLAR:
                if letter != "$":
                    is_money = letter.isspace() or letter.isdigit()
                    self._closer, self._place = "$", _Place.TEXT if is_money else _Place.MATH
                    return False
                self._closer, self._place, self._seen = "$$", _Place.MATH, 0
            case _Place.SPAN | _Place.FENCE:
                return self._in_code(letter)
            case _Place.LINE:
                if letter == "\n":
                    self._place = _Place.TEXT
            case _Place.MATH:
                self._in_math(letter)
            case _Place.TAG:
                self._in_tag(letter)
            case _Place.TARGET:
                self._depth += (letter == "(") - (letter == ")")
                self._leave_if(self._depth == 0, letter)
        self._text.append(letter)
        return True

    def _in_text(self, letter: str) -> bool:
        before = self._before
        if letter == "[" and before != "!" and not (before.isalnum() or before in "_])"):
            self._place, self._depth, self._held = _Place.HELD, 1, ["["]
            return True
        if letter == "`" or (letter == "~" and self._blank):
            self._place, self._mark, self._run, self._seen = _Place.TICKS, letter, 1, 0
        elif letter == "\\":
            self._place = _Place.ESCAPED
        elif letter == "$":
            self._place = _Place.DOLLAR
        elif before == "<" and (letter.isalpha() or letter in "/!?"):
            self._place, self._closer, self._length = _Place.TAG, ">", 0
        elif letter == "(" and before == "]":
            self._place, self._depth, self._length = _Place.TARGET, 1, 0
        elif letter == ":" and before == "]" and self._line.lstrip(" ").startswith("["):
            self._place = _Place.LINE
        self._text.append(letter)
        return True

    def _escaped(self, letter: str) -> bool:
        if self._place is _Place.ESCAPED_BRACKET:
            # "\\[ x" begins mathematics, "\\[x" is a bracket that is none
            self._place = _Place.MATH if letter.isspace() else _Place.TEXT
            return False
        self._place = _Place.TEXT
        if letter in "([":
            self._closer = ")" if letter == "(" else "]"
            self._place = _Place.MATH if letter == "(" else _Place.ESCAPED_BRACKET
        self._text.append(letter)
        return True

    def _opened_code(self) -> _Place:
        """A run of marks is over: it opened a fence or a span, or was nothing."""
        if self._run >= 3 and not self._line.strip(f" {self._mark}"):
            return _Place.FENCE
        return _Place.SPAN if self._mark == "`" else _Place.TEXT

    def _in_code(self, letter: str) -> bool:
        is_mark = letter == self._mark
        is_over = self._seen == self._run or self._ends_paragraph(letter)
        if self._place is _Place.SPAN and not is_mark and is_over:
            self._place = _Place.TEXT
            return False
        self._seen = self._seen + 1 if is_mark else 0
        if self._place is _Place.FENCE and self._seen >= self._run and not self._line.strip(f" {self._mark}"):
            self._place = _Place.LINE
        self._text.append(letter)
        return True

    def _in_math(self, letter: str) -> None:
        match self._closer:
            case "$":
                ended = letter in "$\n"
            case "$$":
                self._seen = self._seen + 1 if letter == "$" else 0
                ended = self._seen == 2
            case closer:
                ended = letter == closer and self._before == "\\"
        if ended or self._ends_paragraph(letter):
            self._place = _Place.TEXT

    def _in_tag(self, letter: str) -> None:
        if letter in "\"'" and self._before == "=" and self._closer == ">":
            self._closer = letter
        elif letter == self._closer and letter != ">":
            self._closer = ">"
        self._leave_if(letter == ">" == self._closer, letter)

    def _leave_if(self, ended: bool, letter: str) -> None:
        self._length += 1
        if ended or self._ends_paragraph(letter) or self._length > self._most:
            self._place = _Place.TEXT

    # Brackets

    def _in_bracket(self, letter: str) -> bool:
        if self._ends_paragraph(letter) or len(self._held) >= self._most:
            self._let_go()
            return False
        self._depth += (letter == "[") - (letter == "]")
        if not (self._bare or self._depth == 0 or self._may_be_marked(letter)):
            self._let_go()
            return False
        self._held.append(letter)
        if self._depth == 0:
            self._place = _Place.CLOSED
            if not self._intent():
                self._let_go()
        return True

    def _may_be_marked(self, letter: str) -> bool:
        """Whether what is held still begins like the marker."""
        if len(self._held) > 32:
            return True  # it did when it was shorter
        said = ("".join(self._held[1:]) + letter).lstrip(" ").lower()
        return said.startswith(_MARKER) or _MARKER.startswith(said)

    def _intent(self) -> str:
        """The intent in the bracket that is held; empty when it is none."""
        inside = "".join(self._held)[1:-1].strip()
        if inside.lower().startswith(_MARKER):
            return " ".join(inside[len(_MARKER) :].split())
        if not self._bare or not inside[:1].isalpha() or " " not in inside or "\n" in inside:
            return ""
        return "" if _CITATION.search(inside) else " ".join(inside.split())

    def _decide(self, after: str) -> None:
        """One character behind the bracket tells a link from an intent."""
        if self._place is _Place.HELD or (after and after in "([:"):
            self._let_go()
            return
        self._say_text()
        self._out.append(Wish(self._intent(), "".join(self._held)))
        self._held, self._place = [], _Place.TEXT

    def _let_go(self) -> None:
        self._text += self._held
        self._held, self._place = [], _Place.TEXT

    # Bookkeeping

    def _ends_paragraph(self, letter: str) -> bool:
        return letter == "\n" and self._blank

    def _note(self, letter: str) -> None:
        self._before = letter
        if letter == "\n":
            self._blank, self._line = True, ""
            return
        self._blank = self._blank and letter.isspace()
        if len(self._line) < 16:
            self._line += letter

    def _say_text(self) -> None:
        if self._text:
            self._out.append(Said("".join(self._text)))
            self._text = []

    def _taken(self) -> list[Piece]:
        self._say_text()
        out, self._out = self._out, []
        return out


def intents_in(text: str, *, bare: bool = False) -> list[str]:
    """Return the intents of a whole text, in order."""
    return [piece.intent for piece in _scanned(text, bare) if isinstance(piece, Wish)]


def _scanned(text: str, bare: bool) -> Iterator[Piece]:
    scanner = Scanner(bare=bare)
    yield from scanner.feed(text)
    yield from scanner.finish()


def wishes_in(text: str, to: Sequence[str], router: str, name: str = "router") -> list[str]:
    """
    Return the intents that a message holds for the router, in order.

    `[TOOL: …]` anywhere, or the whole message where it is addressed: `to` names the router
    alone, or it begins with `@router`, `router:` or `router,`, by id or by the common name.
    """
    marked = intents_in(text)
    if marked:
        return marked
    names = "|".join(re.escape(one) for one in dict.fromkeys((router, name)))
    hit = re.match(
        rf"\s*(?:@(?:{names})\b[\s,:]*|(?:{names})\s*[,:]\s*)(.+)", text, re.IGNORECASE | re.DOTALL
    )
    if hit:
        return [hit[1].strip()]
    return [text.strip()] if tuple(to) == (router,) and text.strip() else []
