"""Questions that the router asked back, until they are answered or too old."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from router_agent.core import Decision, Route
from router_agent.core.consenting import consent_in

ANSWER_WITHIN_S: Final = 300.0
MOST: Final = 1_024
LEFT: Final = "Then it is left undone."


class Questions:
    """At most one open question for each asker; the last one counts."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[Route, float]] = OrderedDict()

    def ask(self, asker: str, route: Route, now: float) -> None:
        """Remember what was asked at `now`, in seconds."""
        self._open.pop(asker, None)
        self._open[asker] = (route, now + ANSWER_WITHIN_S)
        if len(self._open) > MOST:
            self._open.popitem(last=False)

    def is_open(self, asker: str, now: float) -> bool:
        """Whether somebody was asked something that could still be answered."""
        asked = self._open.get(asker)
        return asked is not None and now < asked[1]

    def answered(self, asker: str, answer: str, now: float) -> str | Route | None:
        """
        Return the intent with its answer, and close the question; `None` without a question.

        A question about a condition is answered by yes or no, and by nothing else: what waited
        for it is returned, or a route that does nothing. Another answer becomes a part of the
        intent, by the name of what was missing: it is read by the same rules, and runs nothing
        that the whole intent could not.
        """
        if not self.is_open(asker, now):
            self._open.pop(asker, None)
            return None
        route, _ = self._open[asker]
        if route.rest is not None:
            consent = consent_in(answer)
            if consent is None:
                return None  # it stays open
            del self._open[asker]
            return route.rest if consent else replace(route.rest, decision=Decision.NONE, reason=LEFT)
        del self._open[asker]
        missing = [one for call in route.calls for one in call.missing]
        if not missing:
            return None
        name = missing[0].path[-1].replace("_", " ")
        return f"{route.intent.rstrip('.?! ')}, {name}: {answer.strip()}"
