"""An intent, read once: its words, numbers, moments and the phrases that could be values."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Final

from router_agent.core.language.amounts import Number, numbers_in
from router_agent.core.language.asking import asked_for
from router_agent.core.language.moments import Moment, moments_in
from router_agent.core.language.stems import stem
from router_agent.core.language.words import ORDERS, STOP_WORDS, Word, parts_of, sense, words_in
from router_agent.core.untrusted import clean

LONGEST_INTENT: Final = 4_000
"""Characters of an intent that are read; what follows is cut."""


class Look(StrEnum):
    """What a phrase looks like."""

    QUOTED = "quoted"
    EMAIL = "email"
    URL = "url"
    PATH = "path"
    CODE = "code"
    """An identifier: digits and letters, or `snake_case`, or all capitals."""
    FORMULA = "formula"
    NAME = "name"
    """Words with capitals."""
    PHRASE = "phrase"
    """Other words between stop words."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A stretch `text[start:end]` of an intent that could be a value."""

    text: str
    start: int
    end: int
    look: Look
    before: str = ""
    """The word before it, in lower case; empty at the beginning."""
    after: str = ""
    first: bool = False
    """Whether it begins the intent or a sentence, where a capital says nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the asker said when asked back for one value of one tool; it speaks of nothing else."""

    participant: str
    tool: str
    path: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Intent:
    """What somebody asked for, with its places; every evidence span counts in `text`."""

    text: str
    today: date | None = None
    answers: tuple[Answer, ...] = ()
    """What they added when they were asked back; the last one counts."""

    @classmethod
    def of(cls, said: str, today: date | None = None, answers: tuple[Answer, ...] = ()) -> Intent:
        """Clean what was said, and take it as an intent."""
        return cls(clean(said, LONGEST_INTENT), today, answers)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """Its words in order."""
        return tuple(words_in(self.text))

    @cached_property
    def stems(self) -> tuple[frozenset[str], ...]:
        """For each word the stems of its parts."""
        return tuple(
            frozenset(stem(part) for part in (*parts_of(word.text), word.lower)) for word in self.words
        )

    @cached_property
    def places(self) -> Mapping[str, Sequence[int]]:
        """From a stem to the numbers of the words that have it, in order."""
        out: dict[str, list[int]] = {}
        for place, stems in enumerate(self.stems):
            for each in stems:
                out.setdefault(each, []).append(place)
        return out

    @cached_property
    def senses(self) -> frozenset[str]:
        """What its telling words mean, synonyms taken together."""
        return frozenset(
            sense(one)
            for word, stems in zip(self.words, self.stems, strict=True)
            if word.lower not in STOP_WORDS
            for one in stems
        )

    @cached_property
    def asked_for(self) -> int | None:
        """The number of the word that names what is asked for, if one does."""
        return asked_for(self.text, self.words)

    @cached_property
    def unread(self) -> float:
        """The share, 0 to 1, of its letters whose script neither words nor the encoder that ships know."""
        letters = [letter for letter in self.text if letter.isalpha()]
        return sum(_LATIN.match(letter) is None for letter in letters) / len(letters) if letters else 0.0

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """Its numbers in order."""
        return tuple(numbers_in(self.text))

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """What it says of days and times."""
        return tuple(moments_in(self.text, self.today))

    @cached_property
    def marked(self) -> tuple[Phrase, ...]:
        """Phrases that their form sets apart: quotes, addresses, paths, codes, formulas."""
        out: list[Phrase] = []
        for look, pattern in _MARKS:
            for hit in pattern.finditer(self.text):
                group = hit.lastindex or 0
                if look is Look.FORMULA and not any(one.isalpha() for one in hit.group(group)):
                    continue
                if all(hit.end(group) <= one.start or hit.start(group) >= one.end for one in out):
                    out.append(self.phrase(hit.start(group), hit.end(group), look))
        return tuple(sorted(out, key=lambda one: one.start))

    @cached_property
    def addresses(self) -> tuple[Phrase, ...]:
        """Streets with their house numbers, and the towns behind them."""
        return tuple(self.phrase(hit.start(), hit.end(), Look.NAME) for hit in _ADDRESS.finditer(self.text))

    @cached_property
    def names(self) -> tuple[Phrase, ...]:
        """Runs of words with capitals, joined over "of", "the", "and"; addresses before them."""
        out = list(self.addresses)
        for hit in _NAME.finditer(self.text):
            start = hit.start()
            phrase = self.phrase(start, hit.end(), Look.NAME)
            first = self.word_at(start)
            if phrase.first and (self.stems[first] & ORDERS or self.words[first].lower in STOP_WORDS):
                # A sentence begins with a capital, whatever its first word is.
                if first + 1 >= len(self.words) or self.words[first + 1].start >= hit.end():
                    continue
                phrase = self.phrase(self.words[first + 1].start, hit.end(), Look.NAME)
            if phrase.text.lower() not in STOP_WORDS and phrase.text[:1].isupper():
                out += self._variants(phrase)
        return tuple(out)

    def _variants(self, phrase: Phrase) -> Iterator[Phrase]:
        """A name, and the same with its number, "Windows 10", or without its possessive."""
        if phrase.text.endswith(("'s", "’s")) and phrase.after.islower():
            yield self.phrase(phrase.start, phrase.end - 2, Look.NAME)
        else:
            yield phrase
        numbered = _NUMBER_BEHIND.match(self.text, phrase.end)
        if numbered:
            yield self.phrase(phrase.start, numbered.end(), Look.NAME)

    @cached_property
    def chunks(self) -> tuple[Phrase, ...]:
        """Runs of telling words: what stands between stop words and punctuation."""
        out: list[Phrase] = []
        run: list[Word] = []
        for word in (*self.words, None):
            broken = run and (
                word is None
                or word.lower in STOP_WORDS
                or word.lower in _JOINING
                or _BREAK.search(self.text, run[-1].end, word.start) is not None
            )
            if broken:
                out.append(self.phrase(run[0].start, run[-1].end, Look.PHRASE))
                run = []
            if word is not None and word.lower not in STOP_WORDS and word.lower not in _JOINING:
                run.append(word)
        return tuple(out)

    def phrase(self, start: int, end: int, look: Look) -> Phrase:
        """Make a phrase of `text[start:end]` with what stands around it."""
        first = bisect_right(self._ends, start)
        before = self.words[first - 1] if first else None
        last = bisect_left(self._starts, end)
        after = self.words[last].lower if last < len(self.words) else ""
        begins = before is None or bool(_SENTENCE.search(self.text, before.end, start + 1))
        return Phrase(
            self.text[start:end],
            start,
            end,
            look,
            before.lower if before else "",
            after,
            first=begins,
        )

    def word_at(self, place: int) -> int:
        """Return the number of the word that `place` is in or before."""
        return bisect_right(self._ends, place)

    @cached_property
    def _starts(self) -> list[int]:
        return [word.start for word in self.words]

    @cached_property
    def _ends(self) -> list[int]:
        return [word.end for word in self.words]


_LATIN: Final = re.compile(r"[A-Za-z\u00aa\u00ba\u00c0-\u02af\u1e00-\u1eff]")
_NUMBER_BEHIND: Final = re.compile(r" \d{1,4}\b(?![.,:]\d)(?! ?[%°])")
_ADDRESS: Final = re.compile(
    r"\b\d+[A-Z]?\s+(?:[A-Z][\w.]*\s+)+(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Way|Square|"
    r"Apartments)\b\.?(?:,\s*[A-Z]\w*(?:\s[A-Z]\w*)*)*"
)
_SENTENCE: Final = re.compile(r"[.!?:]\s")
_JOINING: Final = frozenset(
    """including containing performing related based associated starting happening identified located
    filed published released playing having serving offering starring featuring directed written
    called named titled between near around during after before under over above below without
    against through per into since until""".split()
)
"""Words that join what stands on both sides, and belong to neither."""
_BREAK: Final = re.compile(r"[,.;:!?()\[\]{}\"“”\n]|(?<=\s)'|'(?=\s)|'$")
_MARKS: Final = (
    (
        Look.URL,
        re.compile(
            r"\b(?:https?|ftp|wss?)://[^\s\"'<>]+[^\s\"'<>.,;:!?)]|\bwww\.[\w.-]+\.\w{2,}(?:/[^\s,;]*)?"
        ),
    ),
    (Look.EMAIL, re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]+(?:\.[\w-]+)+")),
    (
        Look.QUOTED,
        re.compile(
            r"\"([^\"]{1,2000})\"|“([^”]{1,2000})”|‘([^’]{1,2000})’|`([^`]{1,2000})`"
            r"|(?<![\w])'((?:[^']|'(?=[a-z]{1,2}\b(?!\s*')))*?)'(?![A-Za-z])"
        ),
    ),
    (
        Look.PATH,
        re.compile(
            r"(?<![\w/])(?:[A-Za-z]:[\\/]|~?/|\.{1,2}/)[\w\-.\\/~]*\w/?|\b(?<!\w-)[\w-]++(?:/[\w.-]+)+\b|\b(?<!\w-)[\w-]++\.(?:csv|txt|json|py|md|pdf|docx?|xlsx?|png|jpe?g|gif|mp[34]|html?|xml|ya?ml|zip|log|sh|js|ts|db|ics|sql|ini|toml|cfg|c|h|java|go|rs)\b"
        ),
    ),
    (
        Look.FORMULA,
        re.compile(
            r"(?:\b[fgy]\(?[a-z]?\)?\s?=\s?)?"
            r"(?<![\w.])((?:(?:\d+(?:\.\d*)?|\.\d*)?\s?[*]?\s?[a-z](?:\s?(?:\^|\*\*)\s?\d+|[²³])?|\d+(?:\.\d+)?)"
            r"(?:\s?[-+*/]\s?(?:(?:\d+(?:\.\d*)?|\.\d*)?\s?[*]?\s?[a-z](?:\s?(?:\^|\*\*)\s?\d+|[²³])?|\d+(?:\.\d+)?))+)(?![\w])"
            r"|(?<![\w.])(\d*[a-z](?:\^|\*\*)\d+)(?![\w])"
        ),
    ),
    (
        Look.CODE,
        re.compile(
            r"#?\b(?<!\w-)(?=[\w-]*\d)(?=[\w-]*[A-Za-z_])[\w-]+\b|\b[a-z\d]+(?:_[a-z\d]+)+\b|\b[A-Z\d]+(?:[_-][A-Z\d]+)+\b"
            r"|\b[a-z]+[A-Z]\w*\b|\b[A-Z]{2,6}\b|\b\d+(?:\.\d+){2,3}\b|#[\da-fA-F]{6}\b"
        ),
    ),
)
_CAPITAL: Final = r"(?:[A-Z][\w'’&.-]*\w|[A-Z]\b\.?)"
_NAME: Final = re.compile(
    rf"{_CAPITAL}(?:(?:\s+|,\s+(?=[A-Z]{{2}}\b))(?:(?:of|the|de|da|von|van|&|del|la|le)\s+(?:the\s+)?)?{_CAPITAL})*"
)
