"""How near a place in an intent is to the words of a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from router_agent.core.intents import Intent
from router_agent.core.language.words import STOP_WORDS, sense
from router_agent.core.parameters import Parameter

_DULL: Final = frozenset(
    "nam valu typ number format list string integ bool str id param paramet input use specif str giv".split()  # noqa: SIM905 - a table of words
)
"""Stems that say little about which parameter is meant."""
_IN_NAME: Final = 0.3
"""What a word of a name says of what stands beside it: "League" of "Red Lions in Golf League"."""
FARTHEST: Final = 8
"""Words beyond which a name says nothing of a value."""


class Cues:
    """Which words of the intent speak of which parameter of one tool."""

    def __init__(self, intent: Intent, parameters: Sequence[Parameter]) -> None:
        self._intent = intent
        shared: dict[str, int] = {}
        for one in parameters:
            for each in set(one.name_stems):
                shared[each] = shared.get(each, 0) + 1
        self._shared = shared
        self._names = {(one.start, one.end) for one in intent.names}
        self._in_names = {
            place
            for name in intent.names
            if " " in name.text
            for place in range(intent.word_at(name.start), intent.word_at(name.end))
        }
        self._places = {one.path: self._spoken(one, shared) for one in parameters}
        self._rivals = {
            place: max(
                (weights.get(place, 0.0) for path, weights in self._places.items()),
                default=0.0,
            )
            for place in range(len(intent.words))
        }

    def near(self, parameter: Parameter, start: int, end: int) -> float:
        """Return 0 to 1: how plainly a word of `parameter` introduces or follows `text[start:end]`."""
        intent, best = self._intent, 0.0
        first, last = intent.word_at(start), intent.word_at(max(start, end - 1))
        for place, weight in self._places[parameter.path].items():
            word = intent.words[place]
            if first <= place <= last:
                inside = word.start < start or word.end > end
                # "Premier League" is a league by its own word
                best = max(best, (0.9 if inside else 0.5 if last > first else 0.0) * weight)
                continue
            away = first - place if place < first else place - last
            if away > FARTHEST:
                continue
            gap = intent.text[word.end : start] if place < first else intent.text[end : word.start]
            closeness = 1.0 / (1.0 + (0.18 if place < first else 0.35) * (away - 1))
            if any(mark in gap for mark in ";?!") or ". " in gap:
                closeness *= 0.3
            elif "," in gap:
                closeness *= 0.5
            between = range(place + 1, first) if place < first else range(last + 1, place)
            if any(intent.text[intent.words[one].start].isdigit() for one in between):
                closeness *= 0.45
            if any(intent.words[one].lower in {"and", "or"} for one in between):
                closeness *= 0.6
            if self._rivals[place] > weight + 1e-9:
                closeness *= 0.4
            if place in self._in_names:
                closeness *= _IN_NAME
            best = max(best, weight * closeness)
        return best

    def is_in_name(self, start: int, end: int) -> bool:
        """Whether `text[start:end]` is a part of a longer name."""
        return (start, end) not in self._names and self._intent.word_at(start) in self._in_names

    def mentioned(self, parameter: Parameter) -> float:
        """Return 0 to 1: how plainly the intent speaks of `parameter` at all."""
        return max(self._places[parameter.path].values(), default=0.0)

    def is_shared(self, stem: str) -> bool:
        """Whether several parameters of the tool have this stem in their names."""
        return self._shared.get(stem, 0) > 1

    def is_anothers(self, parameter: Parameter, stem: str) -> bool:
        """Whether another parameter of the tool has this stem in its name."""
        return self._shared.get(stem, 0) > (stem in parameter.name_stems)

    def places(self, parameter: Parameter) -> Mapping[int, float]:
        """The numbers of the words that speak of it, with their weights."""
        return self._places[parameter.path]

    def _spoken(self, parameter: Parameter, shared: Mapping[str, int]) -> dict[int, float]:
        names = {
            one: (0.35 if one in _DULL else 1.0) / (shared.get(one, 1) ** 0.7) for one in parameter.name_stems
        }
        meanings = {sense(one): 0.7 * weight for one, weight in names.items() if one not in _DULL}
        told = {one: 0.4 for one in parameter.about if one not in names and one not in _DULL and len(one) > 2}
        weights: dict[str, float] = {}

        def weight_of(stem: str) -> float:
            weight = weights.get(stem)
            if weight is None:
                weight = max(names.get(stem, 0.0), meanings.get(sense(stem), 0.0), told.get(stem, 0.0))
                for name, least in names.items():  # "bedrooms" speak of the number of beds
                    if 0.6 * least > weight and 2 < len(name) < len(stem) and stem.startswith(name):
                        weight = 0.6 * least
                weights[stem] = weight
            return weight

        out: dict[int, float] = {}
        for place, stems in enumerate(self._intent.stems):
            if self._intent.words[place].lower in STOP_WORDS:
                continue
            weight = max(map(weight_of, stems))
            if weight:
                out[place] = weight
        return out
