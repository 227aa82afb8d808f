"""
Whether a history is what docs/protocol.md promises, in Delivery and around it.

Each rule yields a sentence for each breach of it; a history without any passes.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.history.answers import check_answers, check_ends
from tests.history.events import Appended, Event, Forgotten
from tests.history.order import check_order, check_runs
from tests.history.presence import check_presence
from tests.history.proposals import check_fulfillments, check_responses
from tests.history.rights import Calls, check_rights
from tests.history.views import Relay, Views


def check(history: Sequence[Event]) -> list[str]:
    """Return what is wrong with a history; nothing is promised of the order of the sentences."""
    views, calls = Views(history), Calls(history)
    found: list[str] = []
    appended: dict[str, list[str]] = {}
    taken: dict[str, float] = {}
    forgotten: set[str] = set()
    # Redis went back, and a node that had no answer yet asked again: these ids stand in two lives of the
    # topic. Their place in its order is not judged, everything else of them is.
    taken_anew: set[str] = set()
    lost_at: list[tuple[int, frozenset[str]]] = []
    for when, event in enumerate(history):
        if isinstance(event, Appended):
            appended.setdefault(event.topic, []).extend(event.ids)
            for id in event.ids:
                if id in forgotten:
                    taken_anew.add(id)
                elif id in taken:
                    found.append(f"{id} was taken twice")
                taken.setdefault(id, when)
        elif isinstance(event, Forgotten):
            forgotten.update(event.ids)
            lost_at.append((when, frozenset(event.ids)))
    revoked = {view.name for view in views if any(call.means(view) for call in calls.ends("revoke"))}
    disconnected = {view.name for view in views if any(call.means(view) for call in calls.ends("disconnect"))}
    found += check_runs(views)
    found += check_order(views, appended, forgotten, taken_anew)
    found += check_presence(views)
    found += check_answers(views, taken.keys() - forgotten)
    found += check_ends(views, revoked, disconnected)
    found += check_rights(views, calls, taken)
    found += check_responses(views)
    found += check_fulfillments(history)
    for when, ids in lost_at:
        for view in views:
            known = [item for item in view.heard if isinstance(item, Relay)]
            has_lost = any(item.key in ids and item.when < when for item in known)
            if has_lost and any(taken.get(item.key, -1) > when for item in known):
                found.append(f"{view.name} heard what the store then lost, and was not told")
    return found
