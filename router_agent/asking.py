"""Questions that the router asked back, until they are answered or too old."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from router_agent.core import Answer, Decision, Route
from router_agent.core.consenting import consent_in

ANSWER_WITHIN_S: Final = 300.0
MOST: Final = 1_024
LEFT: Final = "Then it is left undone."


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody wants, with what they answered when asked back."""

    intent: str
    answers: tuple[Answer, ...] = ()


@dataclass(slots=True)
class _Question:
    route: Route
    answers: tuple[Answer, ...]
    """Those to earlier questions about the same intent."""
    until: float
    message: str | None = None
    """The id of the envelope that asked it, once it is sent."""


class Questions:
    """At most one open question for each asker; the last one counts."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Question] = OrderedDict()

    def ask(self, asker: str, route: Route, answers: tuple[Answer, ...], now: float) -> None:
        """Remember what was asked at `now`, in seconds, and what was answered before."""
        self._open.pop(asker, None)
        self._open[asker] = _Question(route, answers, now + ANSWER_WITHIN_S)
        if len(self._open) > MOST:
            self._open.popitem(last=False)

    def was_said(self, asker: str, message: str) -> None:
        """Remember the id of the envelope that asked: a reply to it is an answer."""
        if asker in self._open:
            self._open[asker].message = message

    def is_open(self, asker: str, now: float) -> bool:
        """Whether somebody was asked something that could still be answered."""
        asked = self._open.get(asker)
        return asked is not None and now < asked.until

    def is_reply(self, asker: str, correlation_id: str | None) -> bool:
        """Whether an envelope that follows from another one follows from the question."""
        return correlation_id is not None and self._open[asker].message == correlation_id

    def answered(self, asker: str, answer: str, now: float) -> Utterance | Route | None:
        """
        Return the intent with its answer, and close the question; `None` without a question.

        A question about a condition is answered by yes or no, and by nothing else: what waited
        for it is returned, or a route that does nothing. Another answer is the value that was
        missing, of that tool and no other. Neither the tool nor its parameter's name becomes a
        part of the intent: they are a stranger's words.
        """
        if not self.is_open(asker, now):
            self._open.pop(asker, None)
            return None
        question = self._open[asker]
        route = question.route
        if route.rest is not None:
            consent = consent_in(answer)
            if consent is None:
                return None  # it stays open
            del self._open[asker]
            return route.rest if consent else replace(route.rest, decision=Decision.NONE, reason=LEFT)
        del self._open[asker]
        missing = [(call.tool, one) for call in route.calls for one in call.missing]
        if not missing:
            return None
        tool, value = missing[0]
        said = Answer(tool.participant, tool.name, value.path, answer)
        return Utterance(route.intent, (*question.answers, said))
