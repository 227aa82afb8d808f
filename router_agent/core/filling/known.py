"""Words that are known as values: by tables, and by what a parameter's description shows and offers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import contains
from typing import Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.meanings import vocabulary_of
from router_agent.core.filling.nearness import Cues
from router_agent.core.filling.notations import notate
from router_agent.core.intents import Intent
from router_agent.core.language.stems import stem
from router_agent.core.language.tables import CURRENCIES
from router_agent.core.language.words import NEGATIONS, STOP_WORDS
from router_agent.core.parameters import Parameter


def known_words(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    """Offer words that are known as values of such a parameter: colours for a colour."""
    known = vocabulary_of(parameter)
    for word in intent.words if known else ():
        if any(one.end <= word.start < one.unit_end for one in intent.numbers):
            continue
        if word.lower in known or word.lower.removesuffix("s") in known:
            near = cues.near(parameter, word.start, word.end)
            yield Candidate(
                notate(word.text, parameter), 0.62 + 0.2 * near, word.start, word.end, "known word"
            )


_QUOTED: Final = re.compile(r"(?<![\w])(?:'([^'\n]{2,30})'|\"([^\"\n]{2,30})\"|`([^`\n]{2,30})`)(?!\w)")
_ONE: Final = r"[a-z][\w-]*(?: (?!or\b|and\b|etc\b)[a-z][\w-]*)?"
_LISTED: Final = re.compile(
    r"\b(?:e\.g\.?|eg\.?|for example|such as|examples?:|like|options:|values:|one of|either)[,:]?\s+"
    rf"({_ONE}(?:,? (?:or|and) {_ONE}|, {_ONE})*)(?![\w/])",
    re.IGNORECASE,
)
_APART: Final = re.compile(r",? (?:or|and) |, ")
_CHOICE: Final = re.compile(
    r"\b(?:options|values|either|one of|can be|must be|could be|choose|possible|refers to)\b", re.IGNORECASE
)
_NO_VALUE: Final = frozenset(
    "dontcare true false none null default all any now current etc other both unknown".split()  # noqa: SIM905 - a table of words
)


@lru_cache(maxsize=4_096)
def _shown(description: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the values of one to three words that a description shows, each with its words' stems."""
    said = [next(filter(None, hit.groups())) for hit in _QUOTED.finditer(description)]
    for hit in _LISTED.finditer(description):
        said += _APART.split(hit.group(1))
    out: dict[tuple[str, ...], str] = {}
    for one in said:
        words = one.split()
        if len(words) > 3 or not all(word.replace("-", "").isalpha() for word in words):
            continue
        if any(word.lower() in _NO_VALUE for word in words) or words[0].lower() in STOP_WORDS:
            continue
        out.setdefault(tuple(stem(word) for word in words), one)
    return tuple((value, stems) for stems, value in out.items())


def spans_of(stems: Sequence[str], intent: Intent) -> Iterator[tuple[int, int]]:
    """Return where the intent has these stems one behind the other, and does not deny them."""
    for at in intent.places.get(stems[0], ()):
        has = intent.stems[at : at + len(stems)]
        if len(has) < len(stems) or not all(map(contains, has, stems)):
            continue
        if not at or intent.words[at - 1].lower not in NEGATIONS:
            yield intent.words[at].start, intent.words[at + len(stems) - 1].end


def shown_words(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    """Offer a value that the description shows, in its spelling, where the intent has its words."""
    shown = _shown(parameter.description)
    if not shown:
        return
    sure = 0.1 if _CHOICE.search(parameter.description) else 0.0
    for value, stems in shown:
        if len(stems) == 1 and cues.is_anothers(parameter, stems[0]):
            continue
        for start, end in spans_of(stems, intent):
            if cues.is_in_name(start, end):
                continue  # a part of a name is not what was shown
            near = cues.near(parameter, start, end)
            yield Candidate(value, 0.66 + sure + 0.2 * near, start, end, "shown", shares=True)


def currencies(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    """Offer the currencies that the intent names, from one to the other."""
    low = intent.text.lower()
    for name in sorted(CURRENCIES, key=len, reverse=True):
        for hit in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", low):
            before = low[max(0, hit.start() - 8) : hit.start()]
            score = 0.6 + 0.2 * cues.near(parameter, hit.start(), hit.end()) + 0.01 * len(name)
            source = parameter.named("from", "base", "source", "original")
            target = parameter.named("to", "target", "destination", "into")
            if re.search(r"\b(?:to|into|in)\s+(?:the\s+)?$", before):
                score += 0.15 if target else (-0.3 if source else 0.0)
            elif source:
                score += 0.1
            elif target:
                score -= 0.15
            yield Candidate(
                notate(intent.text[hit.start() : hit.end()], parameter),
                score,
                hit.start(),
                hit.end(),
                "currency",
            )
