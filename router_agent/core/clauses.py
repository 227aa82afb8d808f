"""Takes an intent with several wishes apart, and finds the conditions among them."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from router_agent.core.language.stems import stem
from router_agent.core.language.words import ORDERS, words_in

MOST: Final = 5
"""Clauses of one intent; one with more is not taken apart."""

_SEAMS: Final = re.compile(
    r"(?:[,;.]?\s+(?:and\s+then|and\s+also|then|after\s+that|afterwards|next|finally|lastly|in\s+addition|additionally|"
    r"also|plus)\s*,?\s+|;\s+|[.?!]\s+(?=[A-Z])|,?\s+and\s+|,\s+|\s+(?=but\s+first\b)"
    r"|\s+(?=(?:before|after)\s+(?:you|i|we|\w+ing)\b))",
    re.IGNORECASE,
)
_POLITE: Final = re.compile(
    r"^(?:and|then|also|please|kindly|next|finally|lastly|firstly|first|secondly|can you|could you|"
    r"would you|will you|"
    r"i want you to|i want to|i need to|i would like to|i'd like to|i would like you to|help me|let's|"
    r"after that|before that|but(?= first\b| before\b)|(?:before|after)(?: you| i| we)?|"
    r"in addition|additionally|afterwards)[\s,]+",
    re.IGNORECASE,
)
_EARLIER: Final = re.compile(r"(?:but\s+first|(?:but\s+)?before\s+that|after\s+(?!that))\b", re.IGNORECASE)
"""How a wish begins that is said behind another and comes before it."""
_LATER: Final = re.compile(r"before\s+(?!that)", re.IGNORECASE)
"""How a wish begins that is said first and comes after the next."""
_SEEKING: Final = frozenset({"search", "look"})
"""Verbs that say what they are about by "for"."""
_QUESTION: Final = frozenset("what what's who where when how which is are does do".split())
_TOLD: Final = re.compile(r"(?:i|we|there|it|this|that|my|our|he|she|they)\b", re.IGNORECASE)
"""How a sentence begins that tells of something."""
_WANTING: Final = re.compile(r"(?:i|we)(?:['’]d|\s+would)?\s+(?:need|want|like)\b", re.IGNORECASE)
"""How one begins that tells what is wanted: "I need a taxi", which may be a wish, or lead up to one."""
_ASKING: Final = re.compile(r"(?:please\s+)?(?:can|could|will|would)\s+(?:you|i|we)\b", re.IGNORECASE)
_CONDITION: Final = re.compile(
    r"(?:^|[,;.]?\s+(?:and\s+)?)(?P<word>(?:only\s+)?if|unless|in case|provided that|"
    r"(?:as|so) long as|only when|on condition that|once|"
    # "assuming equal variance" or "the provided data" is a value that was said, and no condition
    r"(?:provided|assuming(?: that)?)(?=\s+(?:it|there|they|this)\s)|"
    r"(?<!.)when(?:ever)?(?=\s+(?:it|the|there|this|that|my|our)\s))\s+(?P<what>(?:[^,;.]|\.(?=\d)){2,80}?)"
    r"(?=,|;|\.(?!\d)|\s+then\b|$|\s+(?:please|schedule|book|create|search|send|find|add|cancel|buy|order)\b)",
    re.IGNORECASE,
)
_LOOKING: Final = _QUESTION | frozenset(
    "calculate compute determine estimate predict identify find search look tell show can could".split()
)
"""What a wish begins with that only wants to know: "what is the speed if it fell 10 m" gives a value."""
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
        if is_wish(text[hit.end() :]) or _is_lone_order(text[hit.end() :]):
            cuts.append(hit.end())
    if len(cuts) > 1 and _leads_up(text[: cuts[1]], text[cuts[1] :]):
        del cuts[1]
    if len(cuts) > MOST:
        return [Clause(text, 0, len(text))]
    out: list[Clause] = []
    waiting = ""
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        piece = text[start:end]
        kept = _without_seam(piece) if end < len(text) else piece
        condition = condition_in(kept)
        body = _CONDITION.sub("", kept).strip(" ,;.") if condition else kept.strip()
        if body:
            out.append(Clause(body, start, start + len(kept), condition or waiting))
            waiting = ""
        else:
            waiting = condition  # said before what depends on it
    if out and waiting:
        out[-1] = replace(out[-1], condition=waiting)  # or behind all
    if not out or (
        len(out) == 1 and out[0].condition and _wants_to_know(text) and not _CONDITION.match(text)
    ):
        return [Clause(text, 0, len(text))]
    return _in_order(out)


def _in_order(said: list[Clause]) -> list[Clause]:
    """Put wishes into the order in which they are to be met: "a, but first b", "before a, b"."""
    out: list[Clause] = []
    for clause in said:
        out.insert(len(out) - 1 if out and _EARLIER.match(clause.text) else len(out), clause)
        if len(out) == 2 and _LATER.match(out[0].text):
            out.reverse()
    return out


def condition_in(text: str) -> str:
    """Return what a clause depends on: "it is nice" of "if it is nice"; empty when on nothing."""
    hit = _CONDITION.search(text)
    if hit is None or _HARMLESS.search(hit["what"]):
        return ""
    return f"{hit['word'].lower()} {hit['what'].strip()}"


def is_wish(rest: str) -> bool:
    """Whether a text begins with a verb or a question of its own, politeness aside."""
    rest = _plainly(rest)
    if (condition := _CONDITION.match(rest)) and rest[condition.end() : condition.end() + 1] == ",":
        rest = rest[condition.end() + 1 :].lstrip().removeprefix("then ")
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


def _leads_up(first: str, rest: str) -> bool:
    """Whether what is said first only leads up to the wish: "I'm off to Rome. Can you find me a hotel?"."""
    plain = _plainly(first)
    if not _TOLD.match(plain):
        return False
    return not _WANTING.match(plain) or _ASKING.match(rest) is not None


def _plainly(rest: str) -> str:
    """A text without the politeness that it begins with."""
    while (shorter := _POLITE.sub("", rest.lstrip(" ,"))) != rest:
        rest = shorter
    return rest


def _wants_to_know(text: str) -> bool:
    words = words_in(_plainly(text)[:60])
    return bool(words) and words[0].lower in _LOOKING


def _is_lone_order(rest: str) -> bool:
    """Whether nothing but a verb is left: "commit it and push"."""
    words = words_in(rest[:60])
    return len(words) == 1 and stem(words[0].lower) in ORDERS


def _without_seam(piece: str) -> str:
    return re.sub(
        r"(?:[,;.?!]?\s+(?:and\s+then|and\s+also|then|after\s+that|and|also|plus)\s*,?\s*|[,;.?!]\s*)$",
        "",
        piece,
        flags=re.IGNORECASE,
    )
