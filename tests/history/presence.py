"""The welcome is a cut: a roster and the presence after it add up to the truth, everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from tests.history.views import Place, Presence, View, Views, Welcome

_Roster = dict[str, frozenset[str] | None]
"""Participant -> what it may do; `None`: not known to this connection, for it is about itself."""


def check_presence(views: Views) -> Iterator[str]:
    """Compare what everybody must think of the roster, place by place and at the end."""
    for topic, members in views.by_topic().items():
        known: dict[Place, tuple[View, _Roster]] = {}
        for view in members:
            roster: _Roster = {}
            for place, items in _by_place(view):
                yield from _follow(view, roster, place, items)
                if view.end is not None and items[-1] is view.heard[-1]:
                    continue  # perhaps cut in the middle of what is told of one place
                if views.is_twofold(place):
                    continue
                other = known.setdefault(place, (view, dict(roster)))
                if other[0] is not view:
                    yield from _compare(place, view, roster, *other)
            if view.is_open and views.quiet is not None:
                yield from _compare_with_truth(topic, view, roster, members)


def _by_place(view: View) -> Iterator[tuple[Place, Sequence[Welcome | Presence]]]:
    about = (item for item in view.heard if isinstance(item, Welcome | Presence))
    for place, items in groupby(about, lambda item: item.place):
        yield place, list(items)


def _follow(view: View, roster: _Roster, place: Place, items: Sequence[Welcome | Presence]) -> Iterator[str]:
    """Take what was told of one place."""
    said: Welcome | None = None
    for item in items:
        if isinstance(item, Welcome):
            if said is not None:
                yield f"{view.name} was welcomed twice at {place}"
            said = item
            if not roster:
                roster.update(item.others)
            roster[view.participant] = None
        elif item.capabilities is not None:
            roster[item.participant] = item.capabilities
        elif item.participant == view.participant:
            yield f"{view.name} heard itself leave ({item.key})"
        elif item.participant not in roster:
            yield f"{view.name} heard {item.participant} leave, who was not there ({item.key})"
        else:
            del roster[item.participant]
    if said is not None:
        stated: _Roster = {**said.others, view.participant: None}
        for item in items:
            if isinstance(item, Presence):
                stated[item.participant] = item.capabilities
        yield from _compare(place, view, roster, view, stated)


def _compare(place: Place, view: View, roster: _Roster, other: View, its_roster: _Roster) -> Iterator[str]:
    own = {view.participant, other.participant}
    for who in {*roster, *its_roster}:
        if who in roster and who in its_roster:
            if who in own or roster[who] == its_roster[who]:
                continue
            how = f"that {who} may {_shown(roster[who])}, or {_shown(its_roster[who])}"
        else:
            how = f"that {who} is here, or not"
        accounts = "its welcome and presence" if other is view else other.name
        yield f"at {place} {view.name} and {accounts} disagree: {how}"


def _compare_with_truth(topic: str, view: View, roster: _Roster, members: Sequence[View]) -> Iterator[str]:
    """What it thinks when all has settled, beside who is really there."""
    there: dict[str, frozenset[str] | None] = {}
    for member in members:
        if member.is_open:
            before = there.get(member.participant, frozenset())
            unknown = before is None or member.holds is None
            there[member.participant] = (
                None if unknown else (before or frozenset()) | (member.holds or frozenset())
            )
    for who in sorted({*roster, *there}):
        if who not in there:
            yield f"{view.name} thinks that {who} is in {topic}, but it is gone"
        elif who not in roster:
            yield f"{view.name} does not know that {who} is in {topic}"
        elif None not in (roster[who], there[who]) and roster[who] != there[who]:
            yield f"{view.name} thinks that {who} may {_shown(roster[who])}, but it is {_shown(there[who])}"
    welcomes = [item for item in view.heard if isinstance(item, Welcome)]
    if view.holds is not None and welcomes and welcomes[-1].mine != view.holds:
        told = _shown(welcomes[-1].mine)
        yield f"{view.name} was told last that it may {told}, but it is {_shown(view.holds)}"


def _shown(capabilities: frozenset[str] | None) -> str:
    return "(unknown)" if capabilities is None else f"[{', '.join(sorted(capabilities))}]"
