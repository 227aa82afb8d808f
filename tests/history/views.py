"""A history sorted by connection: what each sent, heard, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import orjson

from tests.history.events import Closed, Denied, Event, Forgotten, Heard, Holds, Left, Opening, Quiet, Sent

GATEWAY: Final = "system:gateway"

Place = tuple[str, int]
"""A life of a topic, and a place in its order: both are in the ids of what the gateway says of it."""


@dataclass(slots=True)
class Relay:
    """Somebody's envelope, as it was sent."""

    when: int
    """Index in the history."""
    sent: Sent

    @property
    def key(self) -> str:
        return self.sent.id


@dataclass(slots=True)
class Welcome:
    when: int
    place: Place
    you: str
    mine: frozenset[str]
    others: dict[str, frozenset[str]]


@dataclass(slots=True)
class Presence:
    when: int
    key: str
    """All of it, the same for everybody."""
    place: Place
    participant: str
    capabilities: frozenset[str] | None
    """`None`: it left."""


@dataclass(slots=True)
class Refusal:
    when: int
    code: str
    of: str | None
    """Id of the envelope refused."""


@dataclass(slots=True)
class Strange:
    """Nothing that anybody may say."""

    when: int
    text: str


Item = Relay | Welcome | Presence | Refusal | Strange


@dataclass(slots=True)
class View:
    """One connection."""

    opening: Opening
    opened: int
    heard: list[Item] = field(default_factory=list)
    sent: list[tuple[int, Sent]] = field(default_factory=list)
    denied: Denied | None = None
    end: Closed | Left | None = None
    ended: int | None = None
    """Index in the history; `None`: still open."""
    holds: frozenset[str] | None = None

    @property
    def name(self) -> str:
        return self.opening.connection

    @property
    def participant(self) -> str:
        return self.opening.participant

    @property
    def is_open(self) -> bool:
        """Whether it was let in and nobody has ended it."""
        return self.end is None and bool(self.heard)

    def public(self) -> Iterator[Relay | Presence]:
        """What it heard of the topic's order."""
        for item in self.heard:
            if isinstance(item, Relay | Presence):
                yield item

    def hears(self, sent: Sent, sender: str) -> bool:
        """Whether an envelope of its topic is for it (MCPx 6.3)."""
        if self.opening.mode == "all" or sender == self.participant:
            return True
        to = orjson.loads(sent.text).get("to")
        return not to or self.participant in to


class Views:
    """All connections of a history."""

    def __init__(self, history: Sequence[Event]) -> None:
        self.by_name: dict[str, View] = {}
        self.sender: dict[str, View] = {}
        """By id of the envelope."""
        self.sent: dict[str, Sent] = {}
        self.quiet: int | None = None
        """Index in the history."""
        self.quiet_at = -inf
        """The history's clock then."""
        self._forgotten: list[Forgotten] = []
        by_text = {event.text: event for event in history if type(event) is Sent}
        for when, event in enumerate(history):
            kind = type(event)
            if kind is Heard:
                assert isinstance(event, Heard)
                sent = by_text.get(event.text)
                item = Relay(when, sent) if sent is not None else _read(when, event.text)
                self.by_name[event.connection].heard.append(item)
            elif kind is Sent:
                assert isinstance(event, Sent)
                view = self.by_name[event.connection]
                view.sent.append((when, event))
                self.sender[event.id], self.sent[event.id] = view, event
            elif isinstance(event, Opening):
                self.by_name[event.connection] = View(event, when)
            elif isinstance(event, Denied):
                self.by_name[event.connection].denied = event
            elif isinstance(event, Closed | Left):
                view = self.by_name[event.connection]
                if view.end is None:
                    view.end, view.ended = event, when
            elif isinstance(event, Forgotten):
                self._forgotten.append(event)
            elif isinstance(event, Quiet):
                self.quiet, self.quiet_at = when, event.at
            elif isinstance(event, Holds):
                self.by_name[event.connection].holds = frozenset(event.capabilities)

    def __iter__(self) -> Iterator[View]:
        return iter(self.by_name.values())

    def is_twofold(self, place: Place) -> bool:
        """Whether the store went back behind a place, which may have had two entries since, or lost one."""
        epoch, position = place
        return any(
            event.places is None
            or any(epoch == each and first <= position <= last for each, first, last in event.places)
            for event in self._forgotten
        )

    def by_topic(self) -> dict[str, list[View]]:
        """The views of each topic, of those who were let in."""
        topics: dict[str, list[View]] = {}
        for view in self:
            if view.heard:
                topics.setdefault(view.opening.topic, []).append(view)
        return topics


_known: dict[str, Any] = {}


def _read(when: int, text: str) -> Item:
    """Read what the gateway says; the same text comes to many."""
    envelope = _known.get(text)
    if envelope is None:
        if len(_known) > 10_000:
            _known.clear()
        try:
            envelope = _known[text] = orjson.loads(text)
        except orjson.JSONDecodeError:
            return Strange(when, text)
    if envelope.get("from") != GATEWAY:
        return Strange(when, text)
    payload, id = envelope["payload"], envelope["id"]
    match envelope["kind"]:
        case "system/welcome":
            where, _, _ = id.rpartition("-to-")
            you = payload["you"]
            return Welcome(when, _place(where), you["id"], *_held(you, payload["participants"]))
        case "system/presence":
            who = payload["participant"]
            holds = frozenset(who["capabilities"]) if payload["event"] == "join" else None
            # A store that went back gives a place, and with it an id, to something else: the text tells.
            return Presence(when, text, _place(id.rpartition("-")[0]), who["id"], holds)
        case "system/error":
            return Refusal(when, payload["error"], envelope.get("correlation_id"))
    return Strange(when, text)


def _place(text: str) -> Place:
    epoch, _, position = text.rpartition("-")
    return epoch, int(position)


def _held(you: Any, others: Iterable[Any]) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    return frozenset(you["capabilities"]), {each["id"]: frozenset(each["capabilities"]) for each in others}
