"""
What the store had, and when: it may forget what it took, and be asked to take it again.

An id that was forgotten and taken again stands in two lives of its topic, with
a place of its own in each. Whoever heard it heard one of them, and this module
says which: by what else the connection followed the store to.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.history.events import Appended, Event, Forgotten
from tests.history.views import Presence, Relay, View, Views


@dataclass(slots=True)
class _Life:
    taken: int
    """Index in the history."""
    lost: float = math.inf
    """Index at which the store forgot it."""

    def holds_at(self, when: float) -> bool:
        return self.taken <= when < self.lost


@dataclass(slots=True)
class Run:
    """What a connection heard of the topic's order: keys, each of one entry of one life."""

    items: dict[str, Relay | Presence]
    """In order."""
    unplaced: list[str] = field(default_factory=list)
    """Ids of what could be of either of two lives: their places are not judged here."""
    lost: list[str] = field(default_factory=list)
    """Ids of what the store had lost by the time to which the connection followed it."""


class Lives:
    """When each envelope stood in the store."""

    def __init__(self, history: Sequence[Event]) -> None:
        self._lives: dict[str, list[_Life]] = {}
        self._by_topic: dict[str, list[str]] = {}
        self.doubles: list[str] = []
        """Ids that were taken while they stood."""
        for when, event in enumerate(history):
            if isinstance(event, Appended):
                for id in event.ids:
                    lives = self._lives.setdefault(id, [])
                    if lives and lives[-1].lost == math.inf:
                        self.doubles.append(id)
                        continue
                    lives.append(_Life(when))
                    self._by_topic.setdefault(event.topic, []).append(_key(id, len(lives) - 1))
            elif isinstance(event, Forgotten):
                for id in event.ids:
                    known = self._lives.get(id)
                    if known and known[-1].lost == math.inf:
                        known[-1].lost = when

    @property
    def standing(self) -> set[str]:
        """Ids of what stands at the end."""
        return {id for id, lives in self._lives.items() if lives[-1].lost == math.inf}

    def taken(self, id: str) -> Sequence[int]:
        """When it was taken; empty if it is not known."""
        return [life.taken for life in self._lives.get(id, ())]

    def order(self, topic: str) -> list[str]:
        """Keys of what stands at the end, in the store's order."""
        return [key for key in self._by_topic.get(topic, ()) if not self.was_lost(key)]

    def was_lost(self, key: str) -> bool:
        """Whether the store forgot this entry."""
        id, number = _id_of(key)
        lives = self._lives.get(id)
        return lives is not None and lives[number].lost != math.inf

    def id(self, key: str) -> str:
        """The envelope's id."""
        return _id_of(key)[0]

    def keys(self, id: str) -> Iterator[str]:
        """Every entry that an id ever was."""
        return (_key(id, number) for number in range(max(1, len(self._lives.get(id, ())))))

    def run(self, view: View, views: Views) -> Run:
        """Say which entries a connection heard."""
        followed = self._followed(view, views)
        run = Run({})
        for item in view.public():
            if isinstance(item, Presence):
                run.items.setdefault(item.key, item)
                continue
            lives = self._lives.get(item.key, [])
            if followed > item.when and lives and not any(life.holds_at(followed) for life in lives):
                run.lost.append(item.key)
            number = _which(lives, item.when, followed)
            if number is None:
                run.unplaced.append(item.key)
            else:
                run.items.setdefault(_key(item.key, number), item)
        return run

    def _followed(self, view: View, views: Views) -> float:
        """Until when a connection certainly followed the store: what it heard up to then still stood then."""
        if view.is_open and views.quiet is not None:
            return sys.maxsize
        once = (self._lives.get(item.key, []) for item in view.heard if isinstance(item, Relay))
        return max((lives[0].taken for lives in once if len(lives) == 1), default=view.opened)


def _which(lives: Sequence[_Life], heard: int, followed: float) -> int | None:
    """Which of its lives somebody heard; `None`: it cannot be told."""
    if len(lives) < 2:
        return 0
    if followed > heard:
        # It went on: whatever it had heard stood then, in its place.
        standing = [number for number, life in enumerate(lives) if life.holds_at(followed)]
        if standing:
            return standing[0]
    began = bisect_left([life.taken for life in lives], heard)
    could = [number for number in range(began) if lives[number].lost > followed]
    return could[0] if len(could) == 1 else None


def _key(id: str, number: int) -> str:
    return id if number == 0 else f"{id} again {number}"


def _id_of(key: str) -> tuple[str, int]:
    id, _, number = key.partition(" again ")
    return id, int(number or 0)
