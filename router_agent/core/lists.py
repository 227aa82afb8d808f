"""Fills arrays and objects: literals, numbers in a row, things joined by commas and "and"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from router_agent.core.amounts import Number, plain
from router_agent.core.candidates import Candidate
from router_agent.core.intents import Intent, Look
from router_agent.core.nearness import Cues
from router_agent.core.notations import notate
from router_agent.core.parameters import Parameter
from router_agent.core.quantities import usable_numbers
from router_agent.models.reading import SlotReading

_JOINT: Final = re.compile(r"\s*(?:,\s*(?:and|or|&)?|\band\b|\bor\b|&|;)\s*", re.IGNORECASE)
_ONWARD: Final = re.compile(
    r"(?:\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+)(?:(?:the|an?)\s+)?", re.IGNORECASE
)
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
        chosen = sorted((one for one in singles if one.score >= 0.5), key=lambda one: one.start)
        if chosen:
            best = max(one.score for one in chosen)
            yield Candidate(
                [one.value for one in chosen], best, chosen[0].start, chosen[-1].end, "choices", shares=True
            )
        return
    offered = list(singles)
    for one in offered:
        if one.rule == "pointer" and reading is not None:
            parts = split(intent.text[one.start : one.end])
            yield Candidate(
                [notate(part, parameter) for part in parts], one.score, one.start, one.end, "pointer"
            )
    quoted = [one for one in intent.marked if one.look is Look.QUOTED]
    for run in _runs([(one.start - 1, one.end + 1) for one in quoted], intent.text):
        inside = [one for one in quoted if run[0] <= one.start and one.end <= run[1]]
        score = 0.5 + 0.1 * (len(inside) > 1) + 0.35 * cues.near(parameter, *run)
        yield Candidate([one.text for one in inside], score, *run, "quoted list")
    if reading is None:
        for one in offered:
            whole = _whole_list(intent, one)
            yield Candidate(
                [notate(part, parameter) for part in split(whole[2])], one.score, whole[0], whole[1], one.rule
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
            return json.loads(attempt)
        except ValueError:
            continue
    return None


def _number_runs(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    numbers = list(usable_numbers(intent, parameter))
    for start, end in _runs([(one.start, one.unit_end or one.end) for one in numbers], intent.text):
        inside: list[Number] = [one for one in numbers if start <= one.start < end]
        if parameter.item_kind == "integer" and any(one.value != int(one.value) for one in inside):
            continue
        near = cues.near(parameter, start, end)
        score = (0.55 if len(inside) > 1 else 0.3) + 0.35 * near
        yield Candidate([plain(one.value) for one in inside], score, start, end, "numbers")


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
        end = follows[joint.end()]
    return one.start, end, intent.text[one.start : end]
