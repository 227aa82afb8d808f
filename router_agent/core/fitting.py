"""Fits a logistic to judged calls: few features, signs that are known, and the error it is left with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from router_agent.core.features import CHOOSING, FALLING, FEATURES, RISING
from router_agent.core.gate import Logistic

_STEPS: Final = 400
_RATE: Final = 0.5
_MOMENTUM: Final = 0.9
SHRINK: Final = 0.002
"""How strongly weights are pulled to 0."""
_CHOICE_STEPS: Final = 200
_CHOICE_RATE: Final = 2.0
_CHOICE_SHRINK: Final = 0.001


def fit(
    rows: Sequence[tuple[Mapping[str, float], bool]],
    names: Sequence[str] = FEATURES,
    shrink: float = SHRINK,
) -> Logistic:
    """
    Fit by gradient descent, the same result every time.

    Of the features, `names` are looked at. A rising one keeps a weight of at least 0, a falling one
    of at most 0. The error stored is measured on every fifth row, with a fit of the others.
    """
    held = [number for number in range(len(rows)) if number % 5 == 0]
    rest = [number for number in range(len(rows)) if number % 5]
    trial = _descend([rows[number] for number in rest], names, shrink)
    error = calibration_error([(trial.of(rows[number][0]), rows[number][1]) for number in held])
    whole = _descend(rows, names, shrink)
    return Logistic(
        {name: round(value, 4) for name, value in whole.weights.items()},
        round(whole.bias, 4),
        round(error, 4),
    )


def calibration_error(judged: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Return the expected calibration error: how far stated and true probabilities lie apart, 0 to 1."""
    error = 0.0
    for number in range(bins):
        inside = [
            (stated, right)
            for stated, right in judged
            if number / bins <= stated < (number + 1) / bins or (number == bins - 1 and stated >= 1)
        ]
        if inside:
            stated_mean = sum(stated for stated, _ in inside) / len(inside)
            right_share = sum(right for _, right in inside) / len(inside)
            error += abs(stated_mean - right_share) * len(inside) / len(judged)
    return error


def fit_choice(lists: Sequence[tuple[Sequence[Mapping[str, float]], int]]) -> dict[str, float]:
    """
    Fit what makes the right one of several likelier than the others: a conditional logit.

    Each list holds the features of some, and the number of the right one. Signs are kept as by `fit`.
    """
    tables = [([[one.get(name, 0.0) for name in CHOOSING] for one in few], right) for few, right in lists]
    weights, speeds = [0.0] * len(CHOOSING), [0.0] * len(CHOOSING)
    for step in range(_CHOICE_STEPS):
        slopes = [0.0] * len(CHOOSING)
        for table, right in tables:
            merits = [sum(a * b for a, b in zip(weights, row, strict=True)) for row in table]
            raised = [math.exp(merit - max(merits)) for merit in merits]
            for number, (row, share) in enumerate(zip(table, raised, strict=True)):
                miss = share / sum(raised) - (number == right)
                for place, value in enumerate(row):
                    slopes[place] += miss * value
        for place, name in enumerate(CHOOSING):
            pull = slopes[place] / max(1, len(tables)) + _CHOICE_SHRINK * weights[place]
            speeds[place] = _MOMENTUM * speeds[place] + pull
            weights[place] = _signed(name, weights[place] - _CHOICE_RATE / (1 + step / 100) * speeds[place])
    return {name: round(weight, 4) for name, weight in zip(CHOOSING, weights, strict=True)}


def _signed(name: str, weight: float) -> float:
    return max(0.0, weight) if name in RISING else min(0.0, weight) if name in FALLING else weight


def _descend(
    rows: Sequence[tuple[Mapping[str, float], bool]], looked_at: Sequence[str], shrink: float
) -> Logistic:
    names = [name for name in looked_at if any(features.get(name) for features, _ in rows)]
    table = [[features.get(name, 0.0) for name in names] for features, _ in rows]
    goal = [float(right) for _, right in rows]
    total = len(rows) or 1
    weights, bias = [0.0] * len(names), 0.0
    speeds, speed = [0.0] * len(names), 0.0
    for step in range(_STEPS):
        slopes, slope = [0.0] * len(names), 0.0
        for row, want in zip(table, goal, strict=True):
            sum_ = bias + sum(a * b for a, b in zip(weights, row, strict=True))
            miss = 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, sum_)))) - want
            slope += miss
            for place, value in enumerate(row):
                slopes[place] += miss * value
        rate = _RATE / (1 + step / 200)
        speed = _MOMENTUM * speed + slope / total
        bias -= rate * speed
        for place, name in enumerate(names):
            pull = slopes[place] / total + shrink * weights[place]
            speeds[place] = _MOMENTUM * speeds[place] + pull
            weights[place] = _signed(name, weights[place] - rate * speeds[place])
    return Logistic(dict(zip(names, weights, strict=True)), bias)
