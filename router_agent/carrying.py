"""Carries a reasoning model's intents out in a topic, with the rights of one asker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from capabilities import CapabilitySet
from participants import Participant
from router_agent.authority import in_view
from router_agent.core import Catalogue, Decision, Route
from router_agent.core.explaining import told
from router_agent.errors import IntentRefused
from router_agent.executing import carry_out
from router_agent.harness import Done
from router_agent.thinking import Thinker


class TopicCarrier:
    """
    Routes over the tools of a topic, and makes the calls as one participant.

    `asker` and `rights` are whose intents they are; a participant that speaks for itself is its
    own asker.
    """

    def __init__(
        self,
        me: Participant,
        thinker: Thinker,
        catalogue: Callable[[], Catalogue],
        asker: str,
        rights: Callable[[], CapabilitySet],
        today: Callable[[], date],
    ) -> None:
        """`catalogue` and `rights` are asked each time: both change."""
        self._me, self._thinker, self._catalogue = me, thinker, catalogue
        self._asker, self._rights, self._today = asker, rights, today

    async def route(self, intent: str) -> Route:
        """
        Route one intent over what the asker may call or propose.

        Raises:
            IntentRefused: too many wait, or it took too long.
        """
        view = in_view(self._catalogue(), self._me.capabilities, self._rights(), self._asker)
        return await self._thinker.route(intent, view, self._today())

    async def carry(self, intent: str) -> Done:
        """Route an intent and carry it out."""
        try:
            route = await self.route(intent)
        except IntentRefused as refused:
            return Done({}, error=refused.message)
        said = told(route)
        if route.decision is Decision.NONE:
            return Done(said, error=route.reason)
        steps = [step async for step in carry_out(self._me, route, self._asker, self._rights)]
        failed = next((step for step in steps if not step.is_done), None)
        error = ""
        if failed is not None and failed.outcome is None:
            error = str(failed.error) if failed.error else "Nobody here may ask for that."
        question = route.question if failed is None else ""
        return Done(said, [step.told() for step in steps], error, question)

    async def is_read_only(self, intent: str) -> bool:
        """Whether an intent would only call tools that say they only read."""
        try:
            route = await self.route(intent)
        except IntentRefused:
            return False
        return route.decision is Decision.ACT and all(call.tool.read_only for call in route.calls)
