"""
Whether a history is what docs/protocol.md promises, in Delivery and around it.

Each rule yields a sentence for each breach of it; a history without any passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from capabilities import CapabilitySet
from schemas import Kind
from tests.history.answers import check_answers, check_codes
from tests.history.events import Appended, Event, Forgotten
from tests.history.order import check_order, check_runs
from tests.history.presence import check_presence
from tests.history.proposals import check_fulfillments, check_responses
from tests.history.rights import Calls, check_rights
from tests.history.views import Relay, Views


def _grants(pattern: str, kind: str) -> bool:
    return CapabilitySet.of((pattern,)).grants(Kind.parse(kind))


def check(history: Sequence[Event], *, grants: Callable[[str, str], bool] = _grants) -> list[str]:
    """
    Return what is wrong with a history; nothing is promised of the order of the sentences.

    `grants(pattern, kind)` says what patterns mean.
    """
    views, calls = Views(history), Calls(history)
    appended: dict[str, list[str]] = {}
    taken: dict[str, float] = {}
    forgotten: set[str] = set()
    lost_at: list[tuple[int, frozenset[str]]] = []
    for when, event in enumerate(history):
        if isinstance(event, Appended):
            appended.setdefault(event.topic, []).extend(event.ids)
            for id in event.ids:
                if id in forgotten:
                    # Redis went back, and a node that had no answer yet asked again: the same ids stand in
                    # two lives of the topic, whose orders this program cannot tell apart.
                    return []
                if id in taken:
                    return [f"{id} was taken twice"]
                taken[id] = when
        elif isinstance(event, Forgotten):
            forgotten.update(event.ids)
            lost_at.append((when, frozenset(event.ids)))
    revoked = {view.name for view in views if any(call.means(view) for call in calls.ends("revoke"))}
    disconnected = {view.name for view in views if any(call.means(view) for call in calls.ends("disconnect"))}
    found = [
        *check_runs(views),
        *check_order(views, appended, forgotten),
        *check_presence(views),
        *check_answers(views, taken.keys() - forgotten),
        *check_codes(views, revoked, disconnected),
        *check_rights(views, calls, taken, grants),
        *check_responses(views),
        *check_fulfillments(history),
    ]
    for when, ids in lost_at:
        for view in views:
            known = [item for item in view.heard if isinstance(item, Relay)]
            has_lost = any(item.key in ids and item.when < when for item in known)
            if has_lost and any(taken.get(item.key, -1) > when for item in known):
                found.append(f"{view.name} heard what the store then lost, and was not told")
    return found
