"""
One order per topic, the same for everybody, and no connection misses a part of it.

Each connection's run is a chain; merged, the chains must not contradict each
other. What lies between two things that a connection heard, by anybody's
account, it must have heard too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from tests.history.lives import Lives, Run
from tests.history.views import Presence, Relay, View, Views, Welcome


def check_runs(views: Views) -> Iterator[str]:
    """Each connection by itself: its welcome first, nothing twice, nothing invented, nothing elsewhere's."""
    for view in views:
        if not view.heard and view.denied is None and view.end is None and views.quiet is not None:
            yield f"{view.name} was neither let in nor turned away"
        seen: set[str] = set()
        for nth, item in enumerate(view.heard):
            if nth == 0 and not isinstance(item, Welcome):
                yield f"{view.name} heard something before its welcome: {item}"
            if isinstance(item, Relay):
                sender = views.sender[item.key]
                if sender.opening.topic != view.opening.topic:
                    yield f"{view.name} heard {item.key} of another topic"
                elif not view.hears(item.sent, sender.participant):
                    yield f"{view.name} heard {item.key}, which is not for it"
            elif not isinstance(item, Presence | Welcome) and hasattr(item, "text"):
                yield f"{view.name} heard what nobody sent: {item}"
            if isinstance(item, Relay | Presence):
                if item.key in seen:
                    yield f"{view.name} heard {item.key} twice"
                seen.add(item.key)
            if view.ended is not None and item.when > view.ended:
                yield f"{view.name} heard {item} after its end"
        yield from _own_join(view)


def _own_join(view: View) -> Iterator[str]:
    if len(view.heard) > 1 and isinstance(view.heard[0], Welcome):
        first, second = view.heard[:2]
        assert isinstance(first, Welcome)
        if first.you != view.participant:
            yield f"{view.name} was welcomed as {first.you}"
        if not (
            isinstance(second, Presence)
            and (second.place, second.participant) == (first.place, view.participant)
        ):
            yield f"{view.name} did not hear its own join right after its welcome, but {second}"


def check_order(views: Views, lives: Lives, heard: Mapping[str, Run]) -> Iterator[str]:
    """
    All connections of a topic together, and with what the store says, where it is known.

    `heard` has the run of each connection.
    """
    for topic, members in views.by_topic().items():
        truth = lives.order(topic)
        runs = {view.name: heard[view.name] for view in members}
        for name, run in runs.items():
            for id in run.lost:
                yield f"{name} heard {id}, which the store then lost, and was not told"
        chains = [*(list(run.items) for run in runs.values()), truth]
        after = _edges(chains)
        order = _merge(after)
        if order is None:
            yield f"{topic}: no order agrees with what everybody heard; {_quarrel(runs, truth)}"
            continue
        about = {key: item for run in runs.values() for key, item in run.items.items()}
        for key in truth:
            about.setdefault(key, Relay(-1, views.sent[lives.id(key)]))
        before = _turned(after)
        for view in members:
            yield from _gaps(view, runs[view.name], order, after, before, about, views, lives)


def _edges(chains: Iterable[Sequence[str]]) -> dict[str, set[str]]:
    after: dict[str, set[str]] = {}
    for chain in chains:
        for this, following in itertools.pairwise(chain):
            after.setdefault(this, set()).add(following)
        if chain:
            after.setdefault(chain[-1], set())
    return after


def _turned(after: Mapping[str, AbstractSet[str]]) -> dict[str, set[str]]:
    before: dict[str, set[str]] = {key: set() for key in after}
    for key, followers in after.items():
        for follower in followers:
            before[follower].add(key)
    return before


def _merge(after: Mapping[str, AbstractSet[str]]) -> list[str] | None:
    """Return an order that agrees with every chain; `None` if there is none."""
    waits_for = dict.fromkeys(after, 0)
    for followers in after.values():
        for follower in followers:
            waits_for[follower] += 1
    free = [key for key, count in waits_for.items() if not count]
    order: list[str] = []
    while free:
        key = free.pop()
        order.append(key)
        for follower in after[key]:
            waits_for[follower] -= 1
            if not waits_for[follower]:
                free.append(follower)
    return order if len(order) == len(after) else None


def _quarrel(runs: Mapping[str, Run], truth: Sequence[str]) -> str:
    """Two who contradict each other, if two alone do."""
    named = [*((name, list(run.items)) for name, run in runs.items()), ("the store", truth)]
    for nth, (one, run) in enumerate(named):
        place = {key: index for index, key in enumerate(run)}
        for other, its_run in named[nth + 1 :]:
            shared = [key for key in its_run if key in place]
            for this, following in itertools.pairwise(shared):
                if place[this] > place[following]:
                    return f"{one} heard {following} before {this}, {other} after it"
    return "three or more contradict each other"


def _gaps(
    view: View,
    run: Run,
    order: Sequence[str],
    after: Mapping[str, AbstractSet[str]],
    before: Mapping[str, AbstractSet[str]],
    about: Mapping[str, Relay | Presence],
    views: Views,
    lives: Lives,
) -> Iterator[str]:
    mine = {*run.items, *(key for id in run.unplaced for key in lives.keys(id))}
    welcomed_at = {item.place for item in view.heard if isinstance(item, Welcome)}
    begun: set[str] = set()
    """What comes after something that it heard."""
    for key in order:
        if any(each in mine or each in begun for each in before[key]):
            begun.add(key)
    if view.is_open and views.quiet is not None:
        missing = [key for key in order if key in begun and key not in mine]
    else:
        heard_on: set[str] = set()
        for key in reversed(order):
            if any(each in mine or each in heard_on for each in after[key]):
                heard_on.add(key)
        missing = [key for key in order if key in begun and key in heard_on and key not in mine]
    for key in missing:
        item = about[key]
        if isinstance(item, Relay):
            if not lives.was_lost(key) and view.hears(item.sent, views.sender[item.key].participant):
                yield f"{view.name} missed {key}, and was not told"
        elif not views.is_twofold(item.place) and not (
            item.participant == view.participant and item.place in welcomed_at
        ):
            # Whose rights changed hears that by a fresh welcome instead. What a store forgot of
            # presence is known by its place alone.
            yield f"{view.name} missed the presence of {item.participant} at {item.place}, and was not told"
