"""Strategies as compositions: by domain, by several experts, or with a second opinion; none is a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol

from router_agent.core.conforming import conforms
from router_agent.core.encoder import Encoder
from router_agent.core.filling import Evidence, grounds
from router_agent.core.intents import Intent
from router_agent.core.planning import Plan, Strategy, compared
from router_agent.core.routes import Call
from router_agent.core.selector import select
from router_agent.core.tools import Catalogue, Tool

CARRIED: Final = 0.15
"""A domain whose best tool is so near to the best of all is carried along: else no way leads back."""
SECOND_OPINION: Final = 5
"""Tools that a generative model is shown."""


def by_participant(tool: Tool) -> str:
    """The domain that needs no configuration: who offers the tool."""
    return tool.participant


@dataclass(frozen=True)
class Hierarchical:
    """First a domain, then a tool in it; two domains where they are near each other."""

    inner: Strategy
    domain_of: Callable[[Tool], str] = by_participant
    carried: float = CARRIED
    encoder: Encoder | None = None
    """Chooses the domain, too: words alone may know none of an intent's."""

    def plan(self, intent: Intent, catalogue: Catalogue) -> Plan:
        return self.inner.plan(intent, self.within(intent, catalogue))

    def within(self, intent: Intent, catalogue: Catalogue) -> Catalogue:
        """The tools of the domains that are kept."""
        best: dict[str, float] = {}
        for one in select(intent, catalogue, self.encoder):
            best.setdefault(self.domain_of(one.tool), one.score)
        if not best:
            return catalogue
        ranked = sorted(best, key=lambda domain: -best[domain])
        kept = {ranked[0]} | {one for one in ranked[1:2] if best[ranked[0]] - best[one] <= self.carried}
        return catalogue.only(lambda tool: self.domain_of(tool) in kept)


Together = Callable[[Sequence[Callable[[], Plan]]], Sequence[Plan | None]]
"""Has experts plan, each by a call; in their order, `None` for one that was not waited for."""


def in_turn(asked: Sequence[Callable[[], Plan]]) -> Sequence[Plan]:
    """One expert after the other, each for as long as it takes."""
    return [plan() for plan in asked]


@dataclass(frozen=True)
class Experts:
    """
    A mixture of experts: specialists for domains, of whom those above a floor are asked.

    The most confident answer counts; confidences are calibrated, so they can be compared. A tool of
    a domain without a specialist is left to `general`, and so are all tools when no expert answers.
    """

    specialists: Mapping[str, Strategy] = field(hash=False)
    general: Strategy
    domain_of: Callable[[Tool], str] = by_participant
    floor: float = 0.1
    """Share of the intent's words that a domain's best tool must have."""
    most: int = 3
    together: Together = in_turn
    """How they are asked: a shell may do so beside each other, and within a deadline."""

    def plan(self, intent: Intent, catalogue: Catalogue) -> Plan:
        asked = self.asked(intent, catalogue)
        answers = self.together([partial(expert.plan, intent, view) for expert, view in asked])
        plans = [plan for plan in answers if plan is not None]
        is_whole = len(plans) == len(asked) and all(plan.is_whole for plan in plans)
        plans = plans or [self.general.plan(intent, catalogue)]
        calls = [call for plan in plans for call in plan.calls]
        calls.sort(key=lambda call: (-call.wanted * max(call.confidence, 0.01), call.tool.name))
        # Compared anew: equal tools of two domains are a tie, though no expert saw both.
        return Plan(compared(calls), tuple(stage for plan in plans for stage in plan.stages), is_whole)

    def asked(self, intent: Intent, catalogue: Catalogue) -> list[tuple[Strategy, Catalogue]]:
        """Whom to ask, each with the tools of their domain."""
        domains: dict[str, list[Tool]] = {}
        share: dict[str, float] = {}
        for one in select(intent, catalogue):
            domain = self.domain_of(one.tool)
            domain = domain if domain in self.specialists else ""
            domains.setdefault(domain, []).append(one.tool)
            share[domain] = max(share.get(domain, 0.0), one.words)
        ranked = sorted(domains, key=lambda domain: -share[domain])
        kept = [domain for domain in ranked if share[domain] >= self.floor][: self.most] or ranked[:1]
        return [
            (self.specialists.get(domain, self.general), Catalogue.of(domains[domain])) for domain in kept
        ]


class Generative(Protocol):
    """A model that writes calls."""

    def write(self, intent: Intent, tools: Sequence[Tool]) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        """
        Return the calls that it would make, as names and arguments; none: no tool fits.

        The likeliest tool comes first in `tools`. `None`: it gave no answer, this time.
        """
        ...


@dataclass(frozen=True)
class Cascade:
    """
    The embedded router first; where it is not sure, a generative model sees its best tools.

    That model's answer counts only if it named a tool that it was shown, if the schema
    holds, and if every text and number in it stands in the intent, is a choice or a default.
    """

    first: Strategy
    second: Generative
    act: float = 0.6
    """Below this confidence the second is asked."""
    wanted: float = 0.2
    """Below this the first is sure that no tool is wanted, and nobody is asked."""
    agreed: float = 0.85
    """How far to trust a call on which both agree."""
    alone: float = 0.6
    """How far to trust a grounded call of the second alone."""

    def plan(self, intent: Intent, catalogue: Catalogue) -> Plan:
        plan = self.first.plan(intent, catalogue)
        best = plan.best
        if best is None or best.confidence >= self.act or best.wanted < self.wanted:
            return plan
        shown = [call.tool for call in plan.calls]
        ranked = [one.tool for one in select(intent, catalogue)]
        shown = (shown + [tool for tool in ranked if tool not in shown])[:SECOND_OPINION]
        written = self.second.write(intent, shown)
        if written is None:
            return replace(plan, is_whole=False)
        if len(written) != 1:
            return plan  # several calls of one clause, or none: nothing to compare with
        call = self._accepted(intent, shown, *written[0], best=best)
        if call is None:
            return plan
        return Plan(compared([call, *(one for one in plan.calls if one.tool != call.tool)]), plan.stages)

    def _accepted(
        self, intent: Intent, shown: Sequence[Tool], name: str, arguments: Mapping[str, Any], *, best: Call
    ) -> Call | None:
        named = [one for one in shown if one.name == name]
        if len(named) != 1 or conforms(arguments, named[0].schema) is not True:
            return None  # of two participants' tools with one name, a model cannot say which
        tool = named[0]
        evidence: list[Evidence] = []
        for path, found in grounds(intent, tool, arguments):
            if found is None:
                return None
            evidence.append(Evidence(path, found.start, found.end, found.rule, self.alone))
        agree = best.tool == tool and dict(best.arguments) == dict(arguments)
        return replace(
            best,
            tool=tool,
            arguments=dict(arguments),
            confidence=max(best.confidence, self.agreed if agree else self.alone),
            wanted=max(best.wanted, 0.5),
            evidence=tuple(evidence),
            missing=(),
        )
