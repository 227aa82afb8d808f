"""Whether what a model wrote stands in the intent: every text and number, or else a choice or a default."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from router_agent.core.filling.filler import default_of
from router_agent.core.filling.formats import write
from router_agent.core.filling.notations import notate
from router_agent.core.intents import Intent
from router_agent.core.parameters import Parameter
from router_agent.core.tools import Tool


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a value comes from."""

    start: int
    """In the intent; -1: nowhere there."""
    end: int
    rule: str


def grounds(
    intent: Intent, tool: Tool, arguments: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], Ground | None]]:
    """Yield each argument's path with its ground; `None`: it was made up."""
    known = {parameter.path: parameter for parameter in tool.parameters}
    for path, value in _leaves(arguments, (), known):
        parameter = known.get(path)
        yield path, ground_of(intent, parameter, value) if parameter else None


def ground_of(intent: Intent, parameter: Parameter, value: Any) -> Ground | None:
    """Return where one value comes from; a list's ground is that of its parts."""
    if isinstance(value, bool) or value is None:
        return Ground(-1, -1, "boolean")
    if value in parameter.choices:
        return Ground(-1, -1, "choice")
    if (parameter.has_default and value == parameter.default) or value == default_of(parameter):
        return Ground(-1, -1, "default")
    if isinstance(value, list):
        parts = [ground_of(intent, parameter, one) for one in value]
        if not parts or any(one is None for one in parts):
            return None
        said = [one for one in parts if one is not None and one.start >= 0]
        if not said:
            return Ground(-1, -1, "choices")
        return Ground(min(one.start for one in said), max(one.end for one in said), "list")
    if isinstance(value, int | float):
        for number in intent.numbers:
            if number.value == value or (number.percent and abs(number.value / 100 - value) < 1e-9):
                return Ground(number.start, number.end, "number")
        return None
    if isinstance(value, str):
        return _text(intent, parameter, value)
    return None


def _text(intent: Intent, parameter: Parameter, value: str) -> Ground | None:
    words = r"\s+".join(re.escape(word) for word in value.split())
    hit = re.search(rf"(?<!\w){words}(?!\w)", intent.text, re.IGNORECASE) if words else None
    if hit:
        return Ground(hit.start(), hit.end(), "said")
    for moment in intent.moments:
        if write(moment, parameter, intent.text[moment.start : moment.end]) == value:
            return Ground(moment.start, moment.end, "moment")
    for phrase in (*intent.marked, *intent.names, *intent.chunks):
        if notate(phrase.text, parameter) == value:
            return Ground(phrase.start, phrase.end, phrase.look.value)
    for first in range(len(intent.words)):
        for last in range(first, min(first + 3, len(intent.words))):
            start, end = intent.words[first].start, intent.words[last].end
            if notate(intent.text[start:end], parameter) == value:
                return Ground(start, end, "written otherwise")
    return None


def _leaves(
    value: Mapping[str, Any], path: tuple[str, ...], known: Mapping[tuple[str, ...], Parameter]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in value.items():
        here = (*path, str(name))
        if isinstance(inner, Mapping) and here not in known:
            yield from _leaves(inner, here, known)
        else:
            yield here, inner
