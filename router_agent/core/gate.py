"""The Gate: how far a call is to be trusted, as probabilities with a known error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from router_agent.core.features import CHOICE


@dataclass(frozen=True)
class Logistic:
    """One calibrated probability over named features."""

    weights: Mapping[str, float] = field(hash=False)
    bias: float
    error: float = 0.0
    """Expected calibration error where it was measured, 0 to 1."""

    def of(self, features: Mapping[str, float]) -> float:
        """Return the probability for these features; one that it does not know counts nothing."""
        sum_ = self.bias + sum(weight * features.get(name, 0.0) for name, weight in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, sum_))))

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Logistic:
        """Read what `json` writes."""
        return cls(
            {str(k): float(v) for k, v in said["weights"].items()}, float(said["bias"]), float(said["error"])
        )

    def json(self) -> dict[str, Any]:
        """What `read` reads."""
        return {"weights": dict(self.weights), "bias": self.bias, "error": self.error}


@dataclass(frozen=True)
class Gate:
    """Which call is the best, and two probabilities of it: that its tool is wanted, and that all is right."""

    wanted: Logistic
    right: Logistic
    floor: float = 0.5
    """Below it, no tool is wanted: chosen where 95 % of the requests that want one are kept."""
    worded: Logistic | None = None
    """`wanted` by words alone, where an encoder has a say in `wanted`."""
    choice: Mapping[str, float] = field(default_factory=lambda: CHOICE, hash=False)
    """What makes one tool of a short list likelier than another: weights of features."""

    def merit(self, features: Mapping[str, float]) -> float:
        """Return what orders a short list, as a logit: comparable within one list."""
        return sum(weight * features.get(name, 0.0) for name, weight in self.choice.items())

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Gate:
        """Read what `json` writes."""
        return cls(
            Logistic.read(said["wanted"]),
            Logistic.read(said["right"]),
            float(said["floor"]),
            Logistic.read(said["worded"]) if said.get("worded") else None,
            {str(k): float(v) for k, v in said["choice"].items()} if "choice" in said else CHOICE,
        )

    def json(self) -> dict[str, Any]:
        """What `read` reads."""
        return {
            "wanted": self.wanted.json(),
            "right": self.right.json(),
            "floor": self.floor,
            "worded": self.worded.json() if self.worded else None,
            "choice": dict(self.choice),
        }
