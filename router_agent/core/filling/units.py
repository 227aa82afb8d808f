"""Units and durations as text: the "cm" of "6 cm", the "km/h" of "speed in km/h", "2 weeks" whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.nearness import Cues
from router_agent.core.filling.qualities import quality_of
from router_agent.core.intents import Intent
from router_agent.core.language.tables import UNITS
from router_agent.core.parameters import Parameter

_IN_UNIT: Final = re.compile(r"\b(?:in|to|into)\s+(?:the\s+)?([A-Za-z°]+(?:/[A-Za-z]+)?)(?=[\s.,?!)]|$)")
_PER: Final = re.compile(r"[A-Za-z]{1,10}/[A-Za-z]{1,10}(?:\^?[23²³])?\Z")
_PER_WORD: Final = re.compile(r"\b[A-Za-z]{1,3}/[A-Za-z]{1,3}(?![A-Za-z])")
_RATIO: Final = "ratio"
"""What a unit such as "kg/m³" measures, which no one number's unit does."""
_QUOTED: Final = re.compile(r"['\"]([A-Za-z°]{1,12}(?:/[A-Za-z]{1,6})?)['\"]")
_WORD: Final = re.compile(r"[A-Za-z°]+(?:/[A-Za-z]+)?")
_LASTS: Final = frozenset({"second", "minute", "hour", "day", "night", "week", "month", "year"})
_COUNTS: Final = frozenset({"person", "night", "dollar", "euro", "pixel"})
"""Units that are things counted, and no measure that a unit is asked for."""


def amounts(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    """Offer what lasts as it is said, for a duration; and the unit of what was measured, for a unit."""
    if parameter.named("duration", "period", "timeframe", "range", "interval"):
        for number in intent.numbers:
            if number.unit in _LASTS:
                near = 0.2 * cues.near(parameter, number.start, number.unit_end)
                text = intent.text[number.start : number.unit_end]
                yield Candidate(text, 0.6 + near, number.start, number.unit_end, "amount")
    elif parameter.named("unit", "units", "measure", "measurement"):
        yield from _units(parameter, intent, cues)


def _units(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    qualities, spelled = _told(parameter.description)
    into = parameter.named("to", "target", "output", "desired", "result")
    source = parameter.named("from", "source", "input", "original", "current")
    for hit in () if source else _IN_UNIT.finditer(intent.text):
        said = hit[1]
        unit = UNITS.get(said) or UNITS.get(said.lower())
        if (unit or _PER.match(said)) and _suits(unit, qualities):
            yield _unit(said, unit, spelled, 0.68, hit.start(1), hit.end(1))
    measured = [one for one in intent.numbers if one.unit and one.unit not in _COUNTS]
    measured = [one for one in measured if _suits(one.unit, qualities)]
    if len({quality_of(one.unit) for one in measured}) == 1 and not into:  # of a mass and a width, neither
        for number in measured:
            text = intent.text[number.end : number.unit_end].strip(" -")
            near = 0.2 * cues.near(parameter, number.start, number.unit_end)
            yield _unit(text, number.unit, spelled, 0.62 + near, number.end, number.unit_end)


def _unit(
    said: str, unit: str | None, spelled: dict[str, str], score: float, start: int, end: int
) -> Candidate:
    return Candidate(spelled.get(unit or "", said), score, start, end, "unit", shares=True)


def _suits(unit: str | None, qualities: frozenset[str]) -> bool:
    """Whether a unit measures what the description speaks of, if that is known of it."""
    return not qualities or (quality_of(unit) if unit else _RATIO) in qualities


@lru_cache(maxsize=4_096)
def _told(description: str) -> tuple[frozenset[str], dict[str, str]]:
    """Return the qualities of the units that a description names, and how it spells those in quotes."""
    units = {UNITS[word] for word in _WORD.findall(description) if len(word) > 1 and word in UNITS}
    quoted = ((word, word.upper() if len(word) == 1 else word) for word in _QUOTED.findall(description))
    spelled = {UNITS[known]: word for word, known in quoted if known in UNITS}
    ratios = any(word not in UNITS for word in _PER_WORD.findall(description))
    known = {_RATIO} if ratios else {quality_of(unit) for unit in units | set(spelled)}
    return frozenset(quality for quality in known if quality), spelled
