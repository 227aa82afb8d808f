"""Calibrates a gate: routes cases with the right tool in view, and without it, and fits the outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from random import Random

from router_agent.cases import Case, Expected
from router_agent.core import Call, Catalogue, Encoder, Gate, Intent, Logistic, Monolithic, Tool, fit, select
from router_agent.scoring import is_right

KEPT = 0.95
"""The share of requests that want a tool and are to pass the gate."""
MOST_IN_VIEW = 8

_FLAT = Gate(Logistic({}, 0.0), Logistic({}, 0.0), 0.0)


def calibrate(
    cases: Iterable[Case],
    encoder: Encoder | None,
    seed: int = 1,
    progress: Callable[[], object] | None = None,
) -> Gate:
    """
    Fit a gate to cases; the same cases and seed give the same gate.

    Every case with one expected call is routed twice: with its tool among a few
    others, and among others alone, half of which look like it. A case that expects none counts
    as it is. The floor is where 95 % of what wants a tool passes.
    """
    chance = Random(seed)  # noqa: S311 - the same cases and seed are to give the same gate
    strategy = Monolithic(_FLAT, encoder)
    wanted: list[tuple[Mapping[str, float], bool]] = []
    right: list[tuple[Mapping[str, float], bool]] = []
    kept = list(cases)
    pool = list(dict.fromkeys(tool for case in kept for tool in case.catalogue))
    for case in kept:
        if case.expected is None or len(case.expected) > 1:
            continue
        intent = Intent.of(case.intent, case.today)
        expected = case.expected[0] if case.expected else None
        for view in _views(case, expected, intent, pool, chance):
            best = strategy.plan(intent, view).best
            if best is None:
                continue
            hit = expected is not None and best.tool.name == expected.name
            wanted.append((best.features, hit))
            if expected is not None and expected.arguments is not None:
                right.append((best.features, hit and _complete(best, expected)))
        if progress is not None:
            progress()
    is_wanted, is_right_ = fit(wanted), fit(right)
    passing = sorted(is_wanted.of(features) for features, hit in wanted if hit)
    floor = passing[math.floor((1 - KEPT) * len(passing))] if passing else 0.5
    return Gate(is_wanted, is_right_, round(floor, 4))


def _complete(call: Call, expected: Expected) -> bool:
    return not call.missing and is_right(call, expected)


def _views(
    case: Case, expected: Expected | None, intent: Intent, pool: list[Tool], chance: Random
) -> Iterable[Catalogue]:
    if expected is None:
        yield case.catalogue
        return
    own = [tool for tool in case.catalogue if tool.name == expected.name]
    sample = chance.sample(pool, min(120, len(pool)))
    others = [one.tool for one in select(intent, Catalogue.of(sample)) if one.tool.name != expected.name]
    for with_own in (True, False):
        count = chance.choice((0, 0, 1, 2, 3, MOST_IN_VIEW - 1))
        near = [chance.choice(others[2:24] or others) for _ in range(count // 2)] if others else []
        far = (
            [chance.choice(others) for _ in range(max(count - len(near), 0 if with_own else 1))]
            if others
            else []
        )
        tools = [*(own if with_own else ()), *near, *far]
        chance.shuffle(tools)
        if tools:
            yield Catalogue.of(tools)
