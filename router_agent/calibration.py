"""Calibrates a gate: routes cases with the right tool in view, and without it, and fits the outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from router_agent.cases import Case, Expected
from router_agent.core import (
    BY_BOTH,
    BY_ITS_WORDS,
    BY_READING,
    BY_WORDS,
    OF_VALUES,
    Call,
    Catalogue,
    Encoder,
    Gate,
    Intent,
    Logistic,
    Monolithic,
    Tool,
    fit,
    fit_choice,
    select,
)
from router_agent.scoring import is_right

KEPT = 0.95
"""The share of requests that want a tool and are to pass the gate."""
MOST_IN_VIEW = 8
MANY_IN_VIEW = 150
COMPARED = 8
"""Tools of a view that are filled and compared: more than a route looks at, to learn more from."""

_NEAR = slice(1, 10)
"""The likest tools of all that were drawn; the first is left out, for it may do the same in other words."""

_FLAT = Gate(Logistic({}, 0.0), Logistic({}, 0.0), 0.0)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The calls that were considered with some tools in view; `expected`: what is right of them."""

    calls: Sequence[Call]
    expected: Expected | None
    is_crowded: bool

    def is_hit(self, call: Call) -> bool:
        return self.expected is not None and call.tool.name == self.expected.name

    def is_whole(self, call: Call) -> bool:
        return self.expected is not None and not call.missing and is_right(call, self.expected)


def calibrate(
    cases: Iterable[Case],
    encoder: Encoder | None,
    seed: int = 1,
    progress: Callable[[], object] | None = None,
) -> Gate:
    """
    Fit a gate to cases; the same cases and seed give the same gate.

    Every case with one expected call is routed with its tool among a few others, and among others
    alone, of which half look like it; every third among many as well. A case that expects none
    counts as it is. With an encoder, what chooses among the tools of a short list is fitted first; then,
    of what it chooses in the small views, how probable it is to be wanted and right. The floor is where 95 %
    of what wants a tool passes, as far as words can tell it.
    """
    chance = Random(seed)  # noqa: S311 - the same cases and seed are to give the same gate
    return _fitted(list(_seen(list(cases), encoder, chance, progress)), reads=encoder is not None)


def _fitted(seen: Sequence[_Seen], *, reads: bool) -> Gate:
    lists = [
        ([call.features for call in one.calls], hits[0])
        for one in seen
        if (hits := [number for number, call in enumerate(one.calls) if one.is_hit(call)])
        and len(one.calls) > 1
        # Of a tool that takes anything words tell nothing: what tells others apart is not learned from it.
        and not one.calls[hits[0]].features["content"]
    ]
    choice = fit_choice(lists) if reads else _FLAT.choice
    chooser = replace(_FLAT, choice=choice)
    chosen = [
        (one, max(one.calls, key=lambda call: chooser.merit(call.features)))
        for one in seen
        if not one.is_crowded
    ]
    wanted = [(best.features, one.is_hit(best)) for one, best in chosen]
    right = [
        (best.features, one.is_whole(best))
        for one, best in chosen
        if one.expected is not None and one.expected.arguments is not None
    ]
    # Shrunk more: near misses of other tools are of other kinds than those that it was fitted to.
    is_wanted = fit(wanted, BY_READING, shrink=0.01) if reads else fit(wanted, BY_WORDS)
    # Requests for tools that take anything are more here than elsewhere, and would lower the floor for all.
    passing = sorted(is_wanted.of(features) for features, hit in wanted if hit and not features["content"])
    floor = passing[math.floor((1 - KEPT) * len(passing))] if passing else 0.5
    worded = fit(wanted, BY_ITS_WORDS) if reads else None
    is_right = fit(right, BY_BOTH if reads else [*BY_WORDS, *OF_VALUES])
    return Gate(is_wanted, is_right, round(floor, 4), worded, choice)


def _seen(
    cases: list[Case], encoder: Encoder | None, chance: Random, progress: Callable[[], object] | None
) -> Iterator[_Seen]:
    strategy = Monolithic(_FLAT, encoder, shortlist=COMPARED, near=math.inf)
    pool = list(dict.fromkeys(tool for case in cases for tool in case.catalogue))
    for number, case in enumerate(cases):
        if case.expected is not None and len(case.expected) <= 1:
            intent = Intent.of(case.intent, case.today)
            expected = case.expected[0] if case.expected else None
            for view in _views(case, expected, intent, pool, encoder, chance, is_third=number % 3 == 0):
                calls = strategy.plan(intent, view).calls
                if calls:
                    yield _Seen(calls, expected, len(view) > MOST_IN_VIEW)
        if progress is not None:
            progress()


def _views(
    case: Case,
    expected: Expected | None,
    intent: Intent,
    pool: list[Tool],
    encoder: Encoder | None,
    chance: Random,
    *,
    is_third: bool,
) -> Iterable[Catalogue]:
    if expected is None:
        yield case.catalogue
        return
    own = [tool for tool in case.catalogue if tool.name == expected.name]
    sample = Catalogue.of(chance.sample(pool, min(MANY_IN_VIEW, len(pool))))
    # What words take for it, and what an encoder does: with one kind alone, the other would look too good.
    readers = (None, encoder) if encoder is not None else (None,)
    alike = [
        [one.tool for one in select(intent, sample, reader) if one.tool.name != expected.name][_NEAR]
        for reader in readers
    ]
    others = [tool for tool in sample if tool.name != expected.name]
    if not others:
        yield Catalogue.of(own)
        return
    for with_own in (True, False):
        count = chance.choice((0, 0, 1, 2, 3, MOST_IN_VIEW - 1))
        # Alone in view, and near: that is where it is hardest to say that nothing fits.
        count = count if with_own else max(1, count)
        near = [chance.choice(chance.choice(alike) or others) for _ in range((count + 1) // 2)]
        far = [chance.choice(others) for _ in range(count - len(near))]
        tools = [*(own if with_own else ()), *near, *far]
        chance.shuffle(tools)
        yield Catalogue.of(tools)
    if is_third:
        yield Catalogue.of([*own, *others[: MANY_IN_VIEW - len(own)]])
