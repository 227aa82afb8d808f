"""Puts values in order where only order tells whose they are: `team1` and `team2`, "30 feet by 12 feet"."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.nearness import Cues
from router_agent.core.filling.qualities import SIZES
from router_agent.core.intents import Intent
from router_agent.core.parameters import Parameter

_BY: Final = re.compile(r"\s*(?:by|x|×)\s*")
_NAMED: Final = 0.6
"""How plainly the intent speaks of a parameter by its name, and not by a word of its description."""
_NUMBERED: Final = re.compile(r"(?:_?\d+|(?<=_)[a-c]|(?:first|second|third)_?)$|^(?:first|second|third)_")


def in_order(parameters: tuple[Parameter, ...], chosen: dict[int, Candidate]) -> None:
    """Give `team1` what was said before `team2`: only order tells such parameters apart."""
    groups: dict[str, list[int]] = {}
    for number, parameter in enumerate(parameters):
        plain = _NUMBERED.sub("", parameter.name.lower())
        if number in chosen and plain != parameter.name.lower() and chosen[number].is_said:
            groups.setdefault(f"{parameter.kind} {parameter.path[:-1]} {plain}", []).append(number)
    for numbers in groups.values():
        if len({chosen[one].start for one in numbers}) == len(numbers):
            ordered = sorted((chosen[one] for one in numbers), key=lambda one: one.start)
            chosen.update(zip(numbers, ordered, strict=True))


def by_size(
    parameters: tuple[Parameter, ...], chosen: dict[int, Candidate], intent: Intent, cues: Cues
) -> None:
    """Give "30 feet by 12 feet" in the tool's order to parameters of which none is named."""
    for first, second in pairwise(intent.numbers):
        if not _BY.fullmatch(intent.text, first.unit_end or first.end, second.start):
            continue
        both = sorted(
            number
            for number, one in chosen.items()
            if one.start in {first.start, second.start} and not one.shares
        )
        same = len({parameters[one].kind for one in both}) == 1
        same = same and all(parameters[one].named(*SIZES) for one in both)  # "increase 500 by 20" is no size
        if len(both) == 2 and same and all(cues.mentioned(parameters[one]) < _NAMED for one in both):
            chosen.update(
                zip(both, sorted((chosen[one] for one in both), key=lambda one: one.start), strict=True)
            )
