"""Fits a logistic to judged calls: few features, signs that are known, and the error it is left with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from router_agent.core.gate import FALLING, FEATURES, RISING, Logistic

_STEPS: Final = 400
_RATE: Final = 0.5
_MOMENTUM: Final = 0.9
_SHRINK: Final = 0.002


def fit(rows: Sequence[tuple[Mapping[str, float], bool]], weigh: Sequence[float] | None = None) -> Logistic:
    """
    Fit by gradient descent, the same result every time.

    A rising feature keeps a weight of at least 0, a falling one of at most 0. The error
    stored is measured on every fifth row, with a fit of the others.
    """
    weigh = weigh if weigh is not None else [1.0] * len(rows)
    held = [number for number in range(len(rows)) if number % 5 == 0]
    rest = [number for number in range(len(rows)) if number % 5]
    trial = _descend([rows[number] for number in rest], [weigh[number] for number in rest])
    error = calibration_error([(trial.of(rows[number][0]), rows[number][1]) for number in held])
    whole = _descend(rows, weigh)
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


def _descend(rows: Sequence[tuple[Mapping[str, float], bool]], weigh: Sequence[float]) -> Logistic:
    names = [name for name in FEATURES if any(features.get(name) for features, _ in rows)]
    table = [[features.get(name, 0.0) for name in names] for features, _ in rows]
    goal = [float(right) for _, right in rows]
    total = sum(weigh) or 1.0
    weights, bias = [0.0] * len(names), 0.0
    speeds, speed = [0.0] * len(names), 0.0
    for step in range(_STEPS):
        slopes, slope = [0.0] * len(names), 0.0
        for row, want, weight in zip(table, goal, weigh, strict=True):
            sum_ = bias + sum(a * b for a, b in zip(weights, row, strict=True))
            miss = weight * (1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, sum_)))) - want)
            slope += miss
            for place, value in enumerate(row):
                slopes[place] += miss * value
        rate = _RATE / (1 + step / 200)
        speed = _MOMENTUM * speed + slope / total
        bias -= rate * speed
        for place, name in enumerate(names):
            pull = slopes[place] / total + _SHRINK * weights[place]
            speeds[place] = _MOMENTUM * speeds[place] + pull
            weight = weights[place] - rate * speeds[place]
            if name in RISING:
                weight = max(0.0, weight)
            elif name in FALLING:
                weight = min(0.0, weight)
            weights[place] = weight
    return Logistic(dict(zip(names, weights, strict=True)), bias)
