"""Fills numbers: by the words around them, by their units, by what their parameter is about."""

# ruff: noqa: E501, SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.nearness import Cues
from router_agent.core.filling.qualities import QUALITIES, quality_of
from router_agent.core.filling.weighing import weighed
from router_agent.core.intents import Intent, Look
from router_agent.core.language.amounts import Number, plain
from router_agent.core.parameters import Parameter
from router_agent.models.reading import SlotReading

_SHARE: Final = tuple(
    "percent rate probability ratio fraction interest discount yield growth share tax volume level humidity "
    "confidence return margin".split()
)


def numbers_for(
    parameter: Parameter, intent: Intent, cues: Cues, reading: SlotReading | None
) -> Iterator[Candidate]:
    """Offer each number of the intent for a parameter of type number or integer."""
    usable = list(usable_numbers(intent, parameter))
    yield from _stars(parameter, intent)
    yield from _clock_parts(parameter, intent)
    yield from _compounding(parameter, intent)
    for number in usable:
        score = _score(parameter, number, intent, cues)
        if reading is not None:
            score = weighed(score, number.start, number.end, reading)
        value = as_number(number, parameter)
        if value is not None and number.ordinal and parameter.says("zero-based", "0-based"):
            value -= 1  # the second is number 1 where the first is number 0
        if value is not None:
            yield Candidate(value, min(1.0, max(0.0, score)), number.start, number.end, "number")


_STARS: Final = re.compile(
    r"\b(?:rat(?:ed|ings?)|scor(?:es?|ed)|reviews?)\b[a-z\s]{0,30}\b(\d+(?:\.\d+)?)\b|\b(\d+(?:\.\d+)?)[\s-]*stars?\b",
    re.IGNORECASE,
)


def _stars(parameter: Parameter, intent: Intent) -> Iterator[Candidate]:
    """Offer how well something is spoken of: "a review score of 4.5", "five-star", for a rating."""
    if parameter.named("rating", "ratings", "stars"):
        for hit in _STARS.finditer(intent.text):
            start, end = hit.span(1 if hit.group(1) else 2)
            for number in intent.numbers:
                if (number.start, number.end) == (start, end) and (
                    value := as_number(number, parameter)
                ) is not None:
                    yield Candidate(value, 0.75, start, end, "stars")


def _clock_parts(parameter: Parameter, intent: Intent) -> Iterator[Candidate]:
    """Offer the hour or the minute of a time of day, which is no duration."""
    if parameter.says("duration", "how long", "length"):
        return
    for moment in intent.moments:
        if moment.time is not None and parameter.named("hour", "hours", "minute", "minutes"):
            value = moment.time.hour if parameter.named("hour", "hours") else moment.time.minute
            if parameter.says("12-hour", "clock") and parameter.named("hour", "hours"):
                value = value % 12 or 12
            yield Candidate(value, 0.6, moment.start, moment.end, "clock", shares=True)


_TIMES_A_YEAR: Final = {
    "annually": 1,
    "yearly": 1,
    "semiannually": 2,
    "semi-annually": 2,
    "quarterly": 4,
    "monthly": 12,
    "weekly": 52,
    "daily": 365,
}


def _compounding(parameter: Parameter, intent: Intent) -> Iterator[Candidate]:
    """Offer how often interest is added, where a word says so: "compounded quarterly" is four times a year."""
    if parameter.says("compound"):
        for word in intent.words:
            if word.lower in _TIMES_A_YEAR:
                yield Candidate(_TIMES_A_YEAR[word.lower], 0.62, word.start, word.end, "frequency")


def usable_numbers(intent: Intent, parameter: Parameter) -> Iterator[Number]:
    """The numbers that are values: none inside a code, an address or a quotation that says more."""
    year = is_year(parameter)
    for number in intent.numbers:
        if number.in_word and not parameter.named("id", "number", "code"):
            continue
        if any(
            one.look in {Look.EMAIL, Look.URL, Look.PATH, Look.CODE, Look.FORMULA}
            and one.start <= number.start < one.end
            and not one.text.isdigit()
            and not (one.look is Look.CODE and number.start == one.start and number.unit_end == one.end)
            for one in intent.marked
        ):
            continue
        if (
            not year
            and not parameter.named("month", "day", "date", "hour", "minute", "week")
            and any(
                one.start <= number.start < one.end and (one.day is not None or one.time is not None)
                for one in intent.moments
            )
        ):
            continue
        yield number


def is_year(parameter: Parameter) -> bool:
    """Whether it takes a calendar year."""
    return parameter.named("year", "season", "yr") and not parameter.says("number of years", "years to")


def as_number(number: Number, parameter: Parameter) -> Any:
    """Return a number as the parameter's type has it, a percentage as its description asks for."""
    value = number.value
    if number.percent and parameter.kind == "number" and _wants_fraction(parameter):
        value = round(value / 100, 12)
    value = _converted(value, number.unit, parameter)
    if parameter.kind == "integer":
        return int(value) if value == int(value) and abs(value) < 1e15 else None
    return plain(value)


_NUMBER: Final = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\s?%|\w)")
_FRACTION: Final = re.compile(r"\b(?:decimal|fraction|between 0(?:\.0+)? and 1)\b", re.IGNORECASE)


def _wants_fraction(parameter: Parameter) -> bool:
    """Whether its description asks for 0.05 where 5 % is said; it does where it says nothing of percent."""
    if _FRACTION.search(parameter.description):
        return True
    if parameter.says("percent", "%"):
        return False
    examples = [float(one) for one in _NUMBER.findall(parameter.description)]
    return any(0 < one < 1 for one in examples) or not any(one > 1 for one in examples)


_FACTORS: Final = {
    "second": ("time", 1.0),
    "minute": ("time", 60.0),
    "hour": ("time", 3_600.0),
    "day": ("time", 86_400.0),
    "week": ("time", 604_800.0),
    "month": ("calendar", 1.0),
    "year": ("calendar", 12.0),
    "decade": ("calendar", 120.0),
    "millimeter": ("length", 0.001),
    "centimeter": ("length", 0.01),
    "meter": ("length", 1.0),
    "kilometer": ("length", 1_000.0),
    "milligram": ("mass", 0.001),
    "gram": ("mass", 1.0),
    "kilogram": ("mass", 1_000.0),
}
"""Units between which a whole factor lies, with their dimension."""


def _converted(value: float, unit: str, parameter: Parameter) -> float:
    """Turn three minutes into 180 where the description asks for seconds, and only for those."""
    if unit not in _FACTORS:
        return value
    dimension, factor = _FACTORS[unit]
    asked = [
        name
        for name, (other, _) in _FACTORS.items()
        if other == dimension
        and (
            parameter.named(f"{name}s")
            or re.search(rf"\bin {name}s?\b", parameter.description, re.IGNORECASE)
        )
    ]
    if len(asked) != 1 or asked[0] == unit:
        return value
    return round(value * factor / _FACTORS[asked[0]][1], 9)


def _score(parameter: Parameter, number: Number, intent: Intent, cues: Cues) -> float:
    near = cues.near(parameter, number.start, number.unit_end or number.end)
    score = 0.22 + 0.55 * near
    if number.unit:
        score += _unit_fit(parameter, number)
    elif number.currency:
        score += (
            0.3
            if parameter.named(*QUALITIES["money"][1]) or parameter.says("dollar", "usd", "price")
            else -0.1
        )
    elif number.percent:
        score += 0.3 if parameter.says(*_SHARE) else -0.2
    if is_year(parameter):
        looks = 1000 <= number.value <= 2200 and number.value == int(number.value) and not number.unit
        return 0.5 + 0.4 * near if looks and not number.currency else 0.05
    if number.value == int(number.value) and 1900 <= number.value <= 2100 and not number.unit:
        before = intent.text[: number.start].lower()[-10:]
        if re.search(r"\b(?:in|since|year|of|from|until|by)\s$", before) and near < 0.5:
            score -= 0.15
    if parameter.named("start", "min", "minimum", "from", "lower", "initial") or parameter.named(
        "end", "max", "maximum", "to", "upper", "final"
    ):
        score += _bound_fit(parameter, number, intent)
    if parameter.says("probability", "alpha", "significance") or parameter.named("prob", "p", "confidence"):
        score += 0.15 if 0 <= number.value <= 1 or number.percent else -0.25
    least, most = parameter.schema.get("minimum"), parameter.schema.get("maximum")
    if (isinstance(least, int | float) and number.value < least) or (
        isinstance(most, int | float) and number.value > most
    ):
        score -= 0.3
    return score


def _unit_fit(parameter: Parameter, number: Number) -> float:
    unit_words = {number.unit, f"{number.unit}s"}
    if parameter.named(*unit_words) or parameter.says(f"in {number.unit}", f"of {number.unit}"):
        return 0.4
    quality = quality_of(number.unit)
    if quality is None:
        return 0.0
    if parameter.named(*QUALITIES[quality][1]):
        return 0.3
    if parameter.says(*unit_words):
        return 0.25
    others = (words for name, (_, words) in QUALITIES.items() if name != quality)
    return -0.15 if any(parameter.named(*words) for words in others) else 0.0


def _bound_fit(parameter: Parameter, number: Number, intent: Intent) -> float:
    before = intent.text[max(0, number.start - 16) : number.start].lower()
    low = parameter.named("start", "min", "minimum", "from", "lower", "initial")
    if re.search(
        r"\b(?:from|between|over|above|than|least|minimum|min|starting)\b(?:[^a-z]|\b[a-z]\b)*$", before
    ):
        below = "less" in before or "no more" in before
        return 0.25 if low != below else -0.15
    if re.search(r"\b(?:to|and|until|under|below|most|maximum|max|-)\b(?:[^a-z]|\b[a-z]\b)*$", before):
        return -0.15 if low else 0.25
    return 0.0
