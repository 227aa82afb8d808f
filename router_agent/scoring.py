"""Scores routes against cases: the right tool, all of the call right, and what a confidence is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from router_agent.cases import Case, Expected
from router_agent.core import Call, Decision, Route

_DROPPED: Final = str.maketrans("", "", " ,./-_*^")


@dataclass(frozen=True, slots=True)
class Judged:
    """One case's outcome."""

    group: str
    wants_call: bool
    acted: bool
    """Whether it did what cases of its kind want: acted, or asked back."""
    tool: bool
    """Whether it acted with the right tools."""
    full: bool
    """Whether it acted, and all of it was right; without a call wanted: whether it did not act."""
    best_tool: bool
    """Whether the tools were right, acted on or not."""
    best_full: bool
    confidence: float
    wanted: float
    ms: float


def judge(case: Case, route: Route) -> Judged:
    """Score one route; the case must say what is expected."""
    assert case.expected is not None
    acted = route.decision is (Decision.ASK if case.asks else Decision.ACT) and bool(route.calls)
    tools = [call.tool.name for call in route.calls] == [one.name for one in case.expected]
    full = tools and all(map(is_right, route.calls, case.expected))
    wants = bool(case.expected)
    return Judged(
        case.group,
        wants,
        acted,
        tool=wants and acted and tools,
        full=(acted and full) if wants else not acted,
        best_tool=wants and tools,
        best_full=wants and full,
        confidence=route.confidence,
        wanted=min((call.wanted for call in route.calls), default=0.0),
        ms=route.timings.get("total", 0.0),
    )


def is_right(call: Call, expected: Expected) -> bool:
    """Whether a call's tool and all its arguments are right."""
    return call.tool.name == expected.name and _arguments_right(call.arguments, expected)


def same(got: Any, want: Any) -> bool:
    """
    Whether a value equals an accepted one.

    Text is compared without case, blanks and `,./-_*^`, numbers by value, lists in
    order; in an object each key has its own list of accepted values.
    """
    if isinstance(want, bool) or isinstance(got, bool):
        return got is want
    if isinstance(want, int | float) and isinstance(got, int | float):
        return math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(want, str) and isinstance(got, str):
        return _plain(got) == _plain(want)
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(map(same, got, want))
    if isinstance(want, dict) and isinstance(got, dict):
        return not set(got) - set(want) and all(_key_right(got, key, values) for key, values in want.items())
    return want is None and got is None


def _key_right(got: Mapping[str, Any], key: str, values: Any) -> bool:
    accepted = values if isinstance(values, list) else [values]
    return "" in accepted if key not in got else any(same(got[key], one) for one in accepted)


def _plain(text: str) -> str:
    return text.translate(_DROPPED).lower().replace("'", '"')


def _arguments_right(got: Mapping[str, Any], expected: Expected) -> bool:
    if set(got) - set(expected.arguments):
        return False
    for name, accepted in expected.arguments.items():
        if name not in got:
            if name not in expected.optional and "" not in accepted:
                return False
        elif not any(same(got[name], one) for one in accepted):
            return False
    return True


@dataclass(frozen=True, slots=True)
class Risk:
    """What holds when one acts only at or above a confidence."""

    threshold: float
    coverage: float
    """The share of all cases that is acted on."""
    precision: float
    """The share of those that is right in full."""


def risk_coverage(rows: Sequence[Judged]) -> list[Risk]:
    """Return the risk–coverage curve over every confidence that occurs, the most careful first."""
    acted = sorted((row for row in rows if row.acted), key=lambda row: -row.confidence)
    out: list[Risk] = []
    right = 0
    for number, row in enumerate(acted, 1):
        right += row.full if row.wants_call else 0
        if number == len(acted) or acted[number].confidence < row.confidence:
            out.append(Risk(row.confidence, number / len(rows), right / number))
    return out


def precision_at(rows: Sequence[Judged], coverage: float) -> float:
    """Return the precision of the most careful threshold that still covers so many cases; 0 if none does."""
    return next((one.precision for one in risk_coverage(rows) if one.coverage >= coverage), 0.0)


def refused_at(rows: Sequence[Judged], kept: float) -> float:
    """Return the share of cases without a fitting tool that is refused where `kept` of the others pass."""
    wanted = sorted(row.wanted for row in rows if row.wants_call)
    others = [row.wanted for row in rows if not row.wants_call]
    if not wanted or not others:
        return 0.0
    floor = wanted[math.floor((1 - kept) * len(wanted))]
    return sum(one < floor for one in others) / len(others)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
