"""Fills arrays and objects: literals, numbers in a row, things joined by commas and "and"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import orjson

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.nearness import Cues
from router_agent.core.filling.notations import notate
from router_agent.core.filling.quantities import usable_numbers
from router_agent.core.intents import Intent, Look, Phrase
from router_agent.core.language.amounts import Number, plain
from router_agent.core.parameters import Parameter
from router_agent.models.reading import SlotReading

_JOINT: Final = re.compile(r"\s*(?:,\s*(?:and|or|&)?|\band\b|\bor\b|&|;)\s*", re.IGNORECASE)
_ONWARD: Final = re.compile(
    r"(?:\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+)(?:(?:the|an?)\s+)?", re.IGNORECASE
)
_UPTO: Final = re.compile(r"\s*(?:to|and|until|through|-|–)\s*", re.IGNORECASE)
_MOST_THINGS: Final = 20
_LITERAL: Final = re.compile(r"\[(?:[^\[\]]|\[(?:[^\[\]]|\[[^\[\]]*\])*\])*\]|\{(?:[^{}]|\{[^{}]*\})*\}")


def lists_for(
    parameter: Parameter,
    intent: Intent,
    cues: Cues,
    reading: SlotReading | None,
    singles: Iterator[Candidate],
) -> Iterator[Candidate]:
    """Offer values for an array; `singles` are what one element could be."""
    yield from literals_for(parameter, intent, cues, list)
    if parameter.item_kind in {"number", "integer"}:
        yield from _number_runs(parameter, intent, cues)
        return
    if parameter.choices:
        likely = [one for one in singles if one.score >= 0.5]
        chosen = sorted((one for one in likely if not _is_spread(one, likely)), key=lambda one: one.start)
        if chosen:
            best = max(one.score for one in chosen)
            yield Candidate(
                [one.value for one in chosen], best, chosen[0].start, chosen[-1].end, "choices", shares=True
            )
        return
    offered = list(singles)
    for one in offered:
        if one.rule == "pointer" and reading is not None:
            start, end, text = _whole_list(intent, one)
            yield Candidate(
                [notate(part, parameter) for part in split(text)], one.score, start, end, "pointer"
            )
    yield from _counted_things(parameter, intent, cues)
    shown = sorted((one for one in offered if one.rule == "shown"), key=lambda one: one.start)
    if shown:
        best = max(one.score for one in shown)
        values = list(dict.fromkeys(one.value for one in shown))
        yield Candidate(values, best, shown[0].start, shown[-1].end, "shown")
    for run, inside in _marked_runs(intent):
        score = 0.5 + 0.1 * (len(inside) > 1) + 0.35 * cues.near(parameter, *run)
        yield Candidate([one.text for one in inside], score, *run, "quoted list")
    if reading is None:
        for one in offered:
            whole = _whole_list(intent, one)
            yield Candidate(
                [notate(part, parameter) for part in split(whole[2])], one.score, whole[0], whole[1], one.rule
            )


def _is_spread(one: Candidate, others: list[Candidate]) -> bool:
    """Whether its words stand around a better one's: no "oak tables" in "oak shop with elm tables"."""
    return any(
        other.score > one.score and one.start <= other.start < other.end <= one.end for other in others
    )


def literals_for(
    parameter: Parameter, intent: Intent, cues: Cues, kind: type[list[Any] | dict[str, Any]]
) -> Iterator[Candidate]:
    """Offer what stands in the intent as JSON, or nearly."""
    for hit in _LITERAL.finditer(intent.text):
        value = _parsed(hit.group())
        if isinstance(value, kind):
            score = 0.65 + 0.3 * cues.near(parameter, hit.start(), hit.end())
            yield Candidate(value, score, hit.start(), hit.end(), "literal")


def split(text: str) -> list[str]:
    """Take "milk, eggs and bread" apart."""
    parts = [part.strip(" '\"“”‘’") for part in _JOINT.split(text)]
    return [part for part in parts if part] or [text]


def _parsed(text: str) -> Any:
    for attempt in (
        text,
        text.replace("'", '"'),
        re.sub(r"([\[,]\s*)([A-Za-z_][\w .-]*?)(\s*(?=[\],]))", r'\1"\2"\3', text),
    ):
        try:
            return orjson.loads(attempt)  # nothing that is no JSON, such as NaN
        except ValueError:
            continue
    return None


def _number_runs(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    numbers = list(usable_numbers(intent, parameter))
    things = _counted(intent) if parameter.named("quantities", "quantity", "amounts", "counts") else []
    if things:
        counts = [plain(number.value) for number, _, _ in things]
        yield Candidate(counts, 0.7, things[0][0].start, things[-1][0].end, "counted", shares=True)
    if parameter.named("coordinates", "coordinate", "coords", "point", "latlng"):
        precise = [one for one in numbers if re.search(r"\.\d\d", intent.text[one.start : one.end])][:2]
        if len(precise) == 2:
            pair = [one.value for one in precise]
            yield Candidate(pair, 0.6, precise[0].start, precise[1].end, "coordinates")
    if parameter.named("range", "ranges", "interval", "bounds", "limits", "period", "span", "between"):
        for one, other in pairwise(numbers):
            if _UPTO.fullmatch(intent.text, one.end, other.start):
                near = cues.near(parameter, one.start, other.end)
                yield Candidate(
                    [plain(one.value), plain(other.value)], 0.75 + 0.2 * near, one.start, other.end, "range"
                )
    for start, end in _runs([(one.start, one.unit_end or one.end) for one in numbers], intent.text):
        inside: list[Number] = [one for one in numbers if start <= one.start < end]
        if parameter.item_kind == "integer" and any(one.value != int(one.value) for one in inside):
            continue
        near = cues.near(parameter, start, end)
        score = (0.55 if len(inside) > 1 else 0.3) + 0.35 * near
        yield Candidate([plain(one.value) for one in inside], score, start, end, "numbers")


def _counted(intent: Intent) -> list[tuple[Number, str, int]]:
    """Things with their numbers: "five burgers and six wings"."""
    out: list[tuple[Number, str, int]] = []
    for number in intent.numbers:
        if number.unit or number.percent or number.ordinal or number.value != int(number.value):
            continue
        chunk = next(
            (
                one
                for one in intent.chunks
                if one.start <= number.start < one.end or one.start == number.end + 1
            ),
            None,
        )
        if chunk is not None and chunk.end > number.end:
            start = max(number.end, chunk.start)
            text = intent.text[start : chunk.end]
            out.append((number, text.strip(), chunk.end))
    return out


def _counted_things(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    if not parameter.named("items", "item", "products", "things", "dishes", "foods", "list"):
        return
    things = _counted(intent)
    if things:
        start, end = things[0][0].end, things[-1][2]
        yield Candidate(
            [text for _, text, _ in things],
            0.62 + 0.1 * cues.near(parameter, start, end),
            start,
            end,
            "counted",
            shares=True,
        )


def _marked_runs(intent: Intent) -> Iterator[tuple[tuple[int, int], list[Phrase]]]:
    """Phrases of one look that stand in a row: quotations, addresses, codes."""
    for look in (Look.QUOTED, Look.EMAIL, Look.URL, Look.PATH, Look.CODE):
        ones = [one for one in intent.marked if one.look is look]
        margin = 1 if look is Look.QUOTED else 0
        for run in _runs([(one.start - margin, one.end + margin) for one in ones], intent.text):
            inside = [one for one in ones if run[0] <= one.start and one.end <= run[1]]
            if look is Look.QUOTED or len(inside) > 1:
                yield run, inside


def _runs(spans: list[tuple[int, int]], text: str) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in spans:
        between = text[out[-1][1] : start] if out else ""
        if out and re.fullmatch(r"\s*(?:,|and|,\s*and|or|&|;)?\s*", between):
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def _whole_list(intent: Intent, one: Candidate) -> tuple[int, int, str]:
    """Go on from one thing over commas and "and" to the things that follow it."""
    end = one.end
    follows = {chunk.start: chunk.end for chunk in intent.chunks}
    for _ in range(_MOST_THINGS):
        joint = _ONWARD.match(intent.text, end)
        if joint is None or joint.end() not in follows:
            break
        if intent.text[joint.end()].isupper() != intent.text[one.start].isupper():
            break  # after names, what is no name is something else
        end = follows[joint.end()]
    return one.start, end, intent.text[one.start : end]
