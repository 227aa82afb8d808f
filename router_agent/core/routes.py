"""What the router answers: calls with their reasons, and one decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from router_agent.core.filling import Evidence
from router_agent.core.tools import Tool


class Decision(StrEnum):
    """What should become of a route."""

    ACT = "act"
    PROPOSE = "propose"
    """Somebody should look at it first."""
    ASK = "ask"
    """The asker should answer a question first."""
    NONE = "none"
    """No tool does it."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another tool that was considered."""

    participant: str
    tool: str
    score: float


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that is required and was not said."""

    path: tuple[str, ...]
    question: str


@dataclass(frozen=True)
class Call:
    """One call of one tool."""

    tool: Tool
    arguments: Mapping[str, Any] = field(hash=False)
    confidence: float
    """0 to 1: how probable it is that tool and arguments are right, by the gate's calibration."""
    wanted: float
    """0 to 1: how probable it is that a tool is wanted at all, and this one."""
    worded: float = 1.0
    """0 to 1: how probable that is by the intent's words alone."""
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[Missing, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    features: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What the gate judged by."""
    clause: str = ""
    """The part of the intent that it carries out."""


@dataclass(frozen=True)
class Route:
    """The router's answer to one intent."""

    intent: str
    """As it was read; every evidence span counts in it."""
    calls: tuple[Call, ...]
    """In the order in which they are to be made; kept for `none` too, as what would have come nearest."""
    decision: Decision
    reason: str
    """One sentence that a person can act on."""
    question: str = ""
    """What to ask back, where the decision is `ask`."""
    timings: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Milliseconds by stage, and `total`; empty where nobody measured."""
    is_whole: bool = True
    """Whether every model that was to be asked answered; a route that is not is not to be remembered."""
    first: Route | None = None
    """What can be done before a condition is known, where there is one and something comes before it."""
    rest: Route | None = None
    """What to do once the question is answered by yes; `None`: yes is no answer to it."""

    @property
    def confidence(self) -> float:
        """That of its least certain call; 0 without any."""
        return min((call.confidence for call in self.calls), default=0.0)
