"""Plans one call for one intent: select, read, fill, judge, and order the best by all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from router_agent.core.encoder import Encoder
from router_agent.core.explaining import question_for
from router_agent.core.features import features_of
from router_agent.core.filling import Filled, fill
from router_agent.core.gate import Gate
from router_agent.core.intents import Intent
from router_agent.core.routes import Alternative, Call, Missing
from router_agent.core.selector import Selected, select
from router_agent.core.tools import Catalogue
from router_agent.models.reading import Reading

SHORTLIST: Final = 4
"""Tools that are filled and read: beyond the fourth, the right one is hardly ever."""
NEAR: Final = 0.5
"""How far behind the best a tool's score may be and still be on the list."""

UNREAD: Final = 0.5
"""How probable it is that a tool is wanted by an intent in letters that nobody here reads."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls that were considered for one intent, the best first."""

    calls: tuple[Call, ...] = ()
    stages: tuple[tuple[str, float], ...] = ()
    """Milliseconds by stage, where a clock was given."""
    is_whole: bool = True
    """Whether everybody who was to be asked answered; a plan that is not may be better next time."""

    @property
    def best(self) -> Call | None:
        """The first call, if any tool was in view."""
        return self.calls[0] if self.calls else None


class Strategy(Protocol):
    """A way to come from an intent to calls."""

    def plan(self, intent: Intent, catalogue: Catalogue) -> Plan:
        """Return the calls considered, the best first; blocks while models compute."""
        ...


@dataclass(frozen=True)
class Monolithic:
    """All tools in one selection: the default."""

    gate: Gate
    encoder: Encoder | None = None
    clock: Callable[[], float] | None = None
    """Seconds, for timings."""
    shortlist: int = SHORTLIST
    near: float = NEAR

    def plan(self, intent: Intent, catalogue: Catalogue) -> Plan:
        now = self.clock or (lambda: 0.0)
        began = now()
        ranked = select(intent, catalogue, self.encoder)
        chosen = now()
        few = [one for one in ranked[: self.shortlist] if ranked[0].score - one.score <= self.near]
        readings: list[Reading | None] = [None] * len(few)
        if self.encoder is not None and few:
            readings = list(self.encoder.read(intent.text, [one.tool.page for one in few]))
        read = now()
        calls = [
            self._call(intent, ranked, at, fill(intent, one.tool, reading), reading)
            for at, (one, reading) in enumerate(zip(few, readings, strict=True))
        ]
        calls.sort(key=lambda call: -self.gate.merit(call.features))
        stages = ("select", chosen - began), ("read", read - chosen), ("fill", now() - read)
        return Plan(
            compared(calls), tuple((name, 1000 * seconds) for name, seconds in stages) if self.clock else ()
        )

    def _call(
        self, intent: Intent, ranked: list[Selected], at: int, filled: Filled, reading: Reading | None
    ) -> Call:
        features = features_of(intent, ranked, at, filled, reading)
        # What nobody here can read speaks neither for a tool nor against it: better asked about than refused.
        wanted = max(self.gate.wanted.of(features), UNREAD * intent.unread)
        return Call(
            ranked[at].tool,
            filled.arguments,
            confidence=0.0 if filled.missing else self.gate.right.of(features),
            wanted=wanted,
            worded=self.gate.worded.of(features) if self.gate.worded else wanted,
            evidence=filled.evidence,
            missing=tuple(Missing(one.path, question_for(one)) for one in filled.missing),
            features=features,
            clause=intent.text,
        )


def compared(calls: Sequence[Call]) -> tuple[Call, ...]:
    """Tell each call of what was planned, the best first, of the best others."""
    told = [Alternative(one.tool.participant, one.tool.name, round(one.wanted, 3)) for one in calls]
    return tuple(
        replace(call, alternatives=tuple([*told[:at], *told[at + 1 :]][:3])) for at, call in enumerate(calls)
    )
