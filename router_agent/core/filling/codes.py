"""Values that are numbers for something, as a description tells them: "1 for cleaning, 2 for ironing"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.known import spans_of
from router_agent.core.filling.nearness import Cues
from router_agent.core.intents import Intent
from router_agent.core.language.stems import stem
from router_agent.core.language.words import STOP_WORDS
from router_agent.core.parameters import Parameter

_TOLD: Final = re.compile(
    r"(?<![\w.,])['\"]?(\d{1,6})['\"]?\s*(?:=|:|->|for|means|is|stands for|represents|indicates)\s*"
    r"(?:an? |the )?['\"]?([^\W\d_][\w' -]{0,40}?)['\"]?"
    r"(?=\s*(?:[,;.)\]]|$|\s(?:and|or|etc)\b))"
)
_FEWEST: Final = 2
"""Numbers that a description tells the meaning of; one alone may be a sentence about something else."""

_NO_THING: Final = frozenset({"default", "maximum", "minimum", "max", "min", "on", "off", "best", "worst"})
"""What a number may be said to be without standing for it, or is said for much else."""


def codes_for(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    """Offer the number of each thing that the description names and the intent speaks of."""
    said = [
        (code, *place)
        for code, words in _told(parameter.description, parameter.name_stems)
        if (place := next(spans_of(words, intent), None))
    ]
    within = [one for one in said if not any(_holds(other, one) for other in said)]
    if parameter.kind == "array":
        if not within or parameter.item_kind not in {"integer", "number", "string"}:
            return
        start, end = min(one[1] for one in within), max(one[2] for one in within)
        yield Candidate(
            [_valued(parameter.item_kind, one[0]) for one in within], 0.7, start, end, "code", shares=True
        )
        return
    for code, start, end in within:
        score = 0.75 + 0.2 * cues.near(parameter, start, end)
        yield Candidate(_valued(parameter.kind, code), score, start, end, "code", shares=True)


@lru_cache(maxsize=4_096)
def _told(description: str, name: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the numbers that a description tells, each with the stems of what it is for."""
    told = {hit.group(1): hit.group(2).lower().split() for hit in _TOLD.finditer(description)}
    if len(told) < _FEWEST:
        return ()
    # "service" stands behind every one, or is the parameter's name, and so tells none.
    common = set.intersection(*(set(words) for words in told.values()))
    out = []
    for code, words in told.items():
        own = [word for word in words if word not in common and stem(word) not in name]
        if any(len(word) == 1 for word in own):
            own = words  # of "Group A" the letter alone says nothing
        if any(word not in _NO_THING and word not in STOP_WORDS for word in own):
            out.append((code, tuple(map(stem, own))))
    return tuple(out)


def _holds(one: tuple[Any, int, int], other: tuple[Any, int, int]) -> bool:
    """Whether one place holds another and more: "extensive cleaning" is no "cleaning"."""
    return one[1] <= other[1] and other[2] <= one[2] and one[1:] != other[1:]


def _valued(kind: str, code: str) -> Any:
    return code if kind == "string" else int(code)
