"""
Rights linearise: what an admin's returned call forbids is not taken any more.

A pattern of one participant in one scope is a register. At any moment its last
write is one that had begun and that no other, begun later, had already
replaced by returning. An envelope is judged by every combination that could
stand when it was taken: by the store, where that is known, else when it was
sent, since it can only have been taken after that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache

import orjson

from capabilities import CapabilitySet
from schemas import Kind
from tests.history.events import Answered, Asked, Event, Forgotten
from tests.history.lives import Lives
from tests.history.views import Refusal, Relay, View, Views, Welcome


@cache
def _grants(pattern: str, kind: str) -> bool:
    return CapabilitySet.of((pattern,)).grants(Kind.parse(kind))


@dataclass(slots=True)
class Call:
    """An admin's call: between its two ends it comes into force, if it does."""

    asked: Asked
    begun: float
    """Index in the history."""
    done: float = math.inf

    def means(self, view: View) -> bool:
        """Whether an end of connections means this one."""
        asked, opening = self.asked, view.opening
        return (
            asked.topic in (None, opening.topic)
            and asked.participant in (None, opening.participant)
            and asked.jti in (None, opening.jti)
            and (asked.iat_until is None or opening.iat <= asked.iat_until)
        )


class Calls:
    """What admins did."""

    def __init__(self, history: Sequence[Event]) -> None:
        by_name: dict[str, Call] = {}
        for when, event in enumerate(history):
            if isinstance(event, Asked):
                by_name[event.call] = Call(event, when)
            elif isinstance(event, Answered) and event.ok:
                by_name[event.call].done = when
            elif isinstance(event, Forgotten):
                # What the store lost may have been a right as well.
                for call in by_name.values():
                    call.done = math.inf
        self.all = list(by_name.values())

    def ends(self, act: str) -> list[Call]:
        return [call for call in self.all if call.asked.act == act]

    def writes(self, participant: str, topic: str | None, pattern: str) -> list[Call]:
        return [
            call
            for call in self.all
            if call.asked.act in ("add", "remove", "revert")
            and (call.asked.participant, call.asked.topic, call.asked.pattern)
            == (participant, topic, pattern)
        ]

    def patterns(self, participant: str) -> set[str]:
        return {
            call.asked.pattern
            for call in self.all
            if call.asked.act in ("add", "remove", "revert") and call.asked.participant == participant
        }

    def could_hold(self, view: View, pattern: str, when: float) -> AbstractSet[bool]:
        """Whether a connection may hold a pattern at a moment, and may not."""
        participant, topic = view.participant, view.opening.topic
        narrow = _last(self.writes(participant, topic, pattern), when)
        wide = _last(self.writes(participant, None, pattern), when)
        could: set[bool] = set()
        for here in narrow:
            if here != "revert":
                could.add(here == "add")
                continue
            for anywhere in wide:
                could.add(pattern in view.opening.base if anywhere == "revert" else anywhere == "add")
        return could


def _last(writes: Sequence[Call], when: float) -> set[str]:
    """What the last write could be; `revert` stands for none as well."""
    begun = [call for call in writes if call.begun < when]
    could = {
        call.asked.act
        for call in begun
        if not any(call.done < other.begun and other.done < when for other in begun)
    }
    if not any(call.done < when for call in begun):
        could.add("revert")
    return could


def check_rights(views: Views, calls: Calls, lives: Lives) -> Iterator[str]:
    """Compare what was taken, each time that it was, with what admins had said by then."""
    revocations = calls.ends("revoke")
    heard = {item.key for view in views for item in view.heard if isinstance(item, Relay)}
    for view in views:
        mine = [call for call in revocations if call.means(view)]
        answers = {item.of: item for item in view.heard if isinstance(item, Refusal)}
        for when, sent in view.sent:
            taken = lives.taken(sent.id) or ([when] if sent.id in heard else [])
            refused = answers.get(sent.id)
            for at in taken:
                if any(call.done < at for call in mine):
                    yield f"{sent.id} of {view.name} was taken after its token was revoked"
                elif not _possible(view, sent.text, calls, at):
                    yield f"{sent.id} of {view.name} was taken under rights that it no longer had"
            if not taken and (
                refused is not None
                and refused.code == "capability_violation"
                and _knew_better(view, sent.text, refused.when)
            ):
                yield f"{sent.id} of {view.name} was refused, and it had been told that it may"
        yield from _came_in(view, mine)


def _kind(text: str) -> str:
    return str(orjson.loads(text)["kind"])


def _possible(view: View, text: str, calls: Calls, when: float) -> bool:
    """Whether the envelope could be granted at that moment."""
    kind = _kind(text)
    patterns = {*view.opening.base, *calls.patterns(view.participant)}
    return any(
        _grants(pattern, kind) and True in calls.could_hold(view, pattern, when) for pattern in patterns
    )


def _knew_better(view: View, text: str, until: int) -> bool:
    """Whether the last welcome before a refusal had said that it may: both come from one place, in order."""
    said = [item for item in view.heard if isinstance(item, Welcome) and item.when < until]
    kind = _kind(text)
    return bool(said) and any(_grants(pattern, kind) for pattern in said[-1].mine)


def _came_in(view: View, mine: Sequence[Call]) -> Iterator[str]:
    for call in mine:
        if call.done < view.opened and any(isinstance(item, Welcome) for item in view.heard):
            yield f"{view.name} came in with a token that was revoked before"
        elif call.done < math.inf and view.is_open:
            yield f"{view.name} is still open, though its token was revoked"
