"""A value that a parameter could take, and what speaks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Candidate:
    """One value for one parameter."""

    value: Any
    score: float
    """0 to 1; comparable between parameters of one tool."""
    start: int = -1
    """Where in the intent it stands; -1: nowhere."""
    end: int = -1
    rule: str = ""
    """Which rule found it, for explanations."""
    shares: bool = False
    """Whether other parameters may use the same words too."""

    @property
    def is_said(self) -> bool:
        """Whether the intent has words for it."""
        return self.start >= 0
