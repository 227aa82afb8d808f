"""Words of a text with their places, and their stems: what the lexical rules compare."""

# ruff: noqa: E501, SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from router_agent.core.language.stems import stem
from router_agent.core.language.synonyms import group_of

# A word may hold a dot, an apostrophe or a hyphen inside: "U.S", "Levi's", "Sci-fi", "3.5".
_WORD: Final = re.compile(r"[^\W_]+(?:['’.\-_@&+/][^\W_]+)*|[^\W_]", re.UNICODE)
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")

STOP_WORDS: Final = frozenset(
    """a about able also an and any are as at be been being but by can could did do does don't for from had
    has have
    having help her him his how i i'd i'll i'm i've if im in into is it it's its just kindly let let's like
    look
    looking may me might my need of on or our out please shall she should so some than that the their them
    then
    there these they this those to up us use used using via want was we we've were what what's when where
    which
    who whose why will with within would you your""".split()
)

NEGATIONS: Final = frozenset("no not non without never except excluding avoid".split())
"""Words that deny what stands right behind them."""

ORDERS: Final = frozenset(
    stem(word)
    for word in """find search get fetch retrieve show give tell provide list create make add book reserve
    schedule buy order delete remove update change set send calculate compute determine estimate convert translate
    play start
    stop open close turn check analyze evaluate generate predict identify locate track design record
    recommend
    suggest plan draw plot run execute cancel submit assess compare describe explain write read apply detect
    discover arrange
    organize prepare look display view obtain access verify validate perform measure monitor report rate
    rotate save
    load query insert commit push email mail download upload share post notify remind invite forward reply
    copy move
    rename summarize summarise count sort toggle pay transfer withdraw deposit""".split()
)
"""Stems of verbs by which people ask for something to be done."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word at `text[start:end]`."""

    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        """In lower case."""
        return self.text.lower()


def words_in(text: str) -> list[Word]:
    """Return a text's words in order, punctuation left out."""
    return [Word(found.group(), found.start(), found.end()) for found in _WORD.finditer(text)]


@lru_cache(maxsize=32_768)
def parts_of(name: str) -> tuple[str, ...]:
    """Take an identifier apart: `"getCurrentWeather_v2"` gives get, current, weather, v, 2."""
    return tuple(part.lower() for part in _PART.findall(name))


@lru_cache(maxsize=8_192)
def stems_of(text: str) -> tuple[str, ...]:
    """Return the stems of a text's telling words, identifiers taken apart, in order."""
    return tuple(
        stem(part)
        for word in _WORD.findall(text)
        for part in (parts_of(word) or (word.lower(),))
        if part not in STOP_WORDS
    )


@lru_cache(maxsize=65_536)
def sense(stemmed: str) -> str:
    """Return the name of the group of synonyms that a stem belongs to, else the stem itself."""
    return group_of(stemmed) or stemmed


def senses_of(text: str) -> frozenset[str]:
    """Return what the telling words of a text mean, synonyms taken together."""
    return frozenset(sense(one) for one in stems_of(text))
