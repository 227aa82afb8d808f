"""Carries a route out for somebody: requests what both may, proposes the rest, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from capabilities import CapabilitySet
from participants import Outcome, Participant, ParticipantError
from router_agent.authority import Way, params_for, way_of
from router_agent.core import Call, Decision, Route

CALL_WITHIN_S: Final = 60.0
PROPOSAL_WITHIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Step:
    """One call's outcome."""

    call: Call
    way: Way
    outcome: Outcome | None = None
    error: ParticipantError | None = None
    """Why there is no result."""

    @property
    def is_done(self) -> bool:
        """Whether the tool ran, and did not say that it failed."""
        return self.outcome is not None and self.outcome.result.get("isError") is not True

    def told(self) -> dict[str, Any]:
        """As JSON."""
        out: dict[str, Any] = {
            "participant": self.call.tool.participant,
            "tool": self.call.tool.name,
            "way": str(self.way),
        }
        if self.outcome is not None:
            out["result"] = self.outcome.result
            if self.outcome.fulfilled_by is not None:
                out |= {"fulfilledBy": self.outcome.fulfilled_by, "edited": self.outcome.edited}
        if self.error is not None:
            out["error"] = {"type": type(self.error).__name__, "message": str(self.error)}
        return out


async def carry_out(
    me: Participant, route: Route, asker_id: str, rights: Callable[[], CapabilitySet]
) -> AsyncIterator[Step]:
    """
    Make a route's calls one after another; the first that is not done ends it.

    Of a route that asks about a condition, what comes before the condition is done.
    `rights` are the asker's; they are asked for before each call, since they may change while another runs.
    What a call answers is data: it is never read for intents, and fills no later call.
    """
    route = route.first or route
    if route.decision not in {Decision.ACT, Decision.PROPOSE}:
        return
    for call in route.calls:
        step = await _made(me, call, way_of(call, route, me.capabilities, rights()), asker_id)
        yield step
        if not step.is_done:
            return


async def _made(me: Participant, call: Call, way: Way, asker_id: str) -> Step:
    if way is Way.NEITHER:
        return Step(call, way)
    try:
        outcome = await me.request(
            call.tool.participant,
            "tools/call",
            params_for(call, asker_id),
            mode="request" if way is Way.REQUEST else "propose",
            timeout=CALL_WITHIN_S if way is Way.REQUEST else PROPOSAL_WITHIN_S,
            expires_in=PROPOSAL_WITHIN_S,
        )
    except ParticipantError as error:
        return Step(call, way, error=error)
    return Step(call, way, outcome)
