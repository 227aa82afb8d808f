"""
Whether a history is what docs/protocol.md promises, in Delivery and around it.

Each rule yields a sentence for each breach of it; a history without any passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.history.answers import check_answers, check_ends
from tests.history.events import Event
from tests.history.lives import Lives
from tests.history.order import check_order, check_runs
from tests.history.presence import check_presence
from tests.history.proposals import check_fulfillments, check_responses
from tests.history.rights import Calls, check_rights
from tests.history.views import Views


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a history is worth."""

    breaches: list[str]
    """What is wrong; nothing is promised of the order of the sentences."""
    unplaced: int
    """How often a connection heard what stands in two lives of its topic, and nothing says which it heard."""


def judge(history: Sequence[Event]) -> Judgement:
    """Say what is wrong with a history, and how much of it cannot be judged."""
    views, calls, lives = Views(history), Calls(history), Lives(history)
    runs = {view.name: lives.run(view, views) for view in views}
    revoked = {view.name for view in views if any(call.means(view) for call in calls.ends("revoke"))}
    disconnected = {view.name for view in views if any(call.means(view) for call in calls.ends("disconnect"))}
    breaches = [
        *(f"{id} was taken twice" for id in lives.doubles),
        *check_runs(views),
        *check_order(views, lives, runs),
        *check_presence(views),
        *check_answers(views, lives.standing),
        *check_ends(views, revoked, disconnected),
        *check_rights(views, calls, lives),
        *check_responses(views),
        *check_fulfillments(history),
    ]
    return Judgement(breaches, sum(len(run.unplaced) for run in runs.values()))


def check(history: Sequence[Event]) -> list[str]:
    """Return what is wrong with a history."""
    return judge(history).breaches
