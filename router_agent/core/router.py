"""The router: an intent and the tools in view in, a route with one decision out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from router_agent.core.clauses import clauses_of
from router_agent.core.intents import Answer, Intent
from router_agent.core.planning import Plan, Strategy
from router_agent.core.routes import Call, Decision, Route
from router_agent.core.tools import Catalogue

TIE: Final = 0.03
"""Two participants' tools whose scores differ less are equally good."""

_APART: Final = 0.4
_APART_BY_WORDS: Final = 0.5
"""How probable it must be, and by words, that a part of a request wants a tool by itself."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How sure the router must be; probabilities from 0 to 1."""

    act: float = 0.6
    """At or above it a call is made."""
    propose: float = 0.25
    """At or above it a call is proposed; below, the asker is asked."""
    propose_destructive: bool = True
    """Whether a tool that calls itself destructive is proposed however sure the router is."""


DEFAULT_POLICY: Final = Policy()
EVERY_CALL: Final = Policy(act=0.0, propose=0.0, propose_destructive=False)
"""For measuring: whatever is wanted and complete is acted on, and the confidence stands beside it."""


class Router:
    """Routes intents by a strategy and a policy; blocks while its models compute."""

    def __init__(
        self,
        strategy: Strategy,
        wanted_floor: float,
        policy: Policy = DEFAULT_POLICY,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`wanted_floor` is the gate's; `clock` returns seconds, for timings."""
        self._strategy, self._floor, self.policy, self._clock = strategy, wanted_floor, policy, clock

    def route(
        self,
        said: str,
        catalogue: Catalogue,
        today: date | None = None,
        answers: tuple[Answer, ...] = (),
    ) -> Route:
        """
        Return what to do about an intent with the tools in view.

        `today` is what relative dates are reckoned from; without it they stay words. `answers` are
        what the asker said when asked back.
        """
        now = self._clock or (lambda: 0.0)
        began = now()
        intent = Intent.of(said, today, answers)
        if not intent.words or not len(catalogue):
            why = "Nothing was asked." if not intent.words else "No tool is in view."
            return Route(intent.text, (), Decision.NONE, why)
        clauses = clauses_of(intent.text)
        plans: list[Plan] = []
        route: Route | None = None
        if len(clauses) > 1:
            calls: list[Call] = []
            for clause in clauses:
                plans.append(self._strategy.plan(Intent.of(clause.text, today, answers), catalogue))
                call = plans[-1].best
                if call is None or not self._is_wish(call):
                    break  # the cut was wrong, whatever the other parts are: they need not be read
                calls.append(call)
            if len(calls) == len(clauses) and self._stand_apart(calls):
                route = self._decided(intent.text, calls, [clause.condition for clause in clauses])
        if route is None:
            # One wish, however it was cut; what it depends on gives it no values, and is not forgotten.
            one = Intent.of(clauses[0].text, today, answers) if len(clauses) == 1 else intent
            plans.append(self._strategy.plan(one, catalogue))
            best = plans[-1].best
            condition = next((clause.condition for clause in clauses if clause.condition), "")
            route = self._decided(intent.text, [best] if best else [], [condition])
        route = replace(route, is_whole=all(plan.is_whole for plan in plans))
        if self._clock is None:
            return route
        timings: dict[str, float] = {}
        for plan in plans:
            for stage, spent in plan.stages:
                timings[stage] = timings.get(stage, 0.0) + spent
        timings["total"] = 1000 * (now() - began)
        return replace(route, timings=timings)

    def _is_wish(self, call: Call) -> bool:
        """Whether a clause wants a tool by itself."""
        # An encoder finds something near whatever was cut: a wish of its own has words for its tool.
        if call.wanted < max(_APART, self._floor) or call.worded < max(_APART_BY_WORDS, self._floor):
            return False
        # "load and run" is no wish to run something that was not said
        return not call.missing or " " in call.clause

    def _stand_apart(self, calls: list[Call]) -> bool:
        """Whether each wish is one of its own, so that the cut was right."""
        if len({call.tool.key for call in calls}) > 1:
            return True
        # The same once more is for another file or city; a part that has none tells more of the first.
        said = [{one.path for one in call.evidence if one.start >= 0} for call in calls]
        return bool(set.intersection(*said)) and not any(call.missing for call in calls)

    def _decided(self, intent: str, calls: list[Call], conditions: list[str]) -> Route:
        if not calls or any(call.wanted < self._floor for call in calls):
            return Route(intent, tuple(calls), Decision.NONE, "No tool in view does that.")
        kept = tuple(calls)
        if any(conditions):
            return self._conditional(intent, kept, conditions)
        for call in calls:
            if call.missing:
                names = ", ".join(".".join(one.path) for one in call.missing)
                return Route(
                    intent,
                    kept,
                    Decision.ASK,
                    f"{call.tool.name} needs what was not said: {names}.",
                    call.missing[0].question,
                )
        return self._graded(intent, kept)

    def _conditional(self, intent: str, calls: tuple[Call, ...], conditions: list[str]) -> Route:
        """Take apart what comes before the first condition, and what waits for it."""
        at = next(number for number, one in enumerate(conditions) if one)
        first = self._decided(intent, list(calls[:at]), [""] * at) if at else None
        if first is not None and first.decision not in {Decision.ACT, Decision.PROPOSE}:
            # Its question comes before the one about the condition.
            return replace(first, calls=calls, rest=None)
        later = ["", *conditions[at + 1 :]]
        wishes = [
            f"{one}, {call.clause}" if one else call.clause
            for one, call in zip(later, calls[at:], strict=True)
        ]
        return Route(
            intent,
            calls,
            Decision.ASK,
            f"A part of it has a condition: {conditions[at]}.",
            f"It depends: {conditions[at]}. Should I go on once that is known?",
            first=first,
            rest=self._decided(" and then ".join(wishes), list(calls[at:]), later),
        )

    def _graded(self, intent: str, calls: tuple[Call, ...]) -> Route:
        least = min(call.confidence for call in calls)
        names = ", then ".join(call.tool.name for call in calls)
        if least < self.policy.propose:
            # A yes says that the tool is meant; whether every value is, somebody looks at in the proposal.
            meant = Route(intent, calls, Decision.PROPOSE, f"{names} is meant.")
            reason, question = f"{names} is the nearest tool, but not sure.", f"Do you mean {names}?"
            return Route(intent, calls, Decision.ASK, reason, question, rest=meant)
        if self.policy.propose_destructive and any(call.tool.destructive for call in calls):
            return Route(intent, calls, Decision.PROPOSE, f"{names} changes things that cannot be undone.")
        if any(self._is_tied(call) for call in calls):
            return Route(intent, calls, Decision.PROPOSE, f"Several participants offer {names}.")
        if least < self.policy.act:
            return Route(intent, calls, Decision.PROPOSE, f"{names} is likely, but not sure enough to act.")
        return Route(intent, calls, Decision.ACT, f"{names} does that.")

    def _is_tied(self, call: Call) -> bool:
        return (
            any(
                one.participant != call.tool.participant and abs(one.score - call.wanted) < TIE
                for one in call.alternatives
            )
            and self.policy.propose > 0
        )
