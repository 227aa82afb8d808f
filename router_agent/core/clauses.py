"""Takes an intent with several wishes apart, and finds the conditions among them."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from router_agent.core.language.stems import stem
from router_agent.core.language.words import ORDERS, words_in

MOST: Final = 5
"""Clauses of one intent; one with more is not taken apart."""

_SEAMS: Final = re.compile(
    r"(?:[,;.]?\s+(?:and\s+then|and\s+also|then|after\s+that|afterwards|next|finally|lastly|in\s+addition|additionally|"
    r"also|plus)\s*,?\s+|;\s+|[.?!]\s+(?=[A-Z])|,?\s+and\s+|,\s+)",
    re.IGNORECASE,
)
_POLITE: Final = re.compile(
    r"^(?:and|then|also|please|kindly|next|finally|lastly|firstly|first|secondly|can you|could you|"
    r"would you|will you|"
    r"i want you to|i want to|i need to|i would like to|i'd like to|i would like you to|help me|let's|"
    r"after that|"
    r"in addition|additionally|afterwards)[\s,]+",
    re.IGNORECASE,
)
_SEEKING: Final = frozenset({"search", "look"})
"""Verbs that say what they are about by "for"."""
_QUESTION: Final = frozenset("what what's who where when how which is are does do".split())
_CONDITION: Final = re.compile(
    r"(?:^|[,;.]?\s+(?:and\s+)?)(?P<word>if|unless|in case|provided that|as long as|only when|"
    r"once)\s+(?P<what>[^,;.]{2,80}?)"
    r"(?=,|;|\.|\s+then\b|$|\s+(?:please|schedule|book|create|search|send|find|add|cancel|buy|order)\b)",
    re.IGNORECASE,
)
_HARMLESS: Final = re.compile(
    r"\b(?:possible|you can|you could|available|applicable|you don't mind|needed|any)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Clause:
    """One wish at `text[start:end]` of the intent."""

    text: str
    start: int
    end: int
    condition: str = ""
    """What it depends on, in the asker's words; empty: nothing."""


def clauses_of(text: str) -> list[Clause]:
    """
    Return the wishes of an intent in order; one clause, the whole, when it has only one.

    Only what begins with a verb of its own is a wish: "milk, eggs and bread" is none, and
    quoted text is never cut.
    """
    cuts = [0]
    hidden = [
        (hit.start(), hit.end()) for hit in re.finditer(r"\"[^\"]*\"|“[^”]*”|(?<!\w)'[^']*'(?!\w)", text)
    ]
    for hit in _SEAMS.finditer(text):
        if any(start < hit.end() and hit.start() < end for start, end in hidden):
            continue
        if is_wish(text[hit.end() :]):
            cuts.append(hit.end())
    if len(cuts) > MOST:
        return [Clause(text, 0, len(text))]
    out: list[Clause] = []
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        piece = text[start:end]
        kept = _without_seam(piece) if end < len(text) else piece
        condition = condition_in(piece) or (condition_at_end(text[:start]) if start else "")
        body = _CONDITION.sub("", kept).strip(" ,;") if condition else kept.strip()
        if body:
            out.append(Clause(body, start, start + len(kept), condition))
    return out or [Clause(text, 0, len(text))]


def condition_in(text: str) -> str:
    """Return what a clause depends on: "it is nice" of "if it is nice"; empty when on nothing."""
    hit = _CONDITION.search(text)
    if hit is None or _HARMLESS.search(hit["what"]):
        return ""
    return f"{hit['word'].lower()} {hit['what'].strip()}"


def condition_at_end(text: str) -> str:
    """Return the condition that a text ends with, and so belongs to what follows."""
    hit = next(reversed(list(_CONDITION.finditer(text.rstrip(" ,")))), None)
    if hit is None or hit.end() < len(text.rstrip(" ,")) or _HARMLESS.search(hit["what"]):
        return ""
    return f"{hit['word'].lower()} {hit['what'].strip()}"


def is_wish(rest: str) -> bool:
    """Whether a text begins with a verb or a question of its own, politeness aside."""
    while (shorter := _POLITE.sub("", rest.lstrip(" ,"))) != rest:
        rest = shorter
    rest = re.sub(r"^(?:if|unless|in case)\s[^,]{2,80},\s*(?:then\s+)?", "", rest, flags=re.IGNORECASE)
    words = words_in(rest[:60])
    if not words:
        return False
    first = words[0].lower
    if first in _QUESTION:
        return len(words) > 2
    if stem(first) not in ORDERS or not words[0].text.isalpha():
        return False
    if words[1:2] and words[1].lower == "for" and len(words) > 2 and first in _SEEKING:
        return True
    # "search and book", "play list": a verb alone, or as part of a noun, is no wish of its own
    return len(words) > 1 and words[1].lower not in {"and", "or", "of", "is", "are", "for", "in"}


def _without_seam(piece: str) -> str:
    return re.sub(
        r"(?:[,;.?!]?\s+(?:and\s+then|and\s+also|then|after\s+that|and|also|plus)\s*,?\s*|[,;.?!]\s*)$",
        "",
        piece,
        flags=re.IGNORECASE,
    )
