"""Places: whole addresses, towns with what they lie in, and how much of that a parameter takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

from router_agent.core.intents import Intent, Look, Phrase
from router_agent.core.language.tables import CITY_COUNTRIES, CITY_STATES, DEMONYMS, STATE_NAMES, STATES
from router_agent.core.parameters import Parameter

_REGION: Final = re.compile(r"\b(?:state|country|region|province|abbr)|, [A-Z]", re.IGNORECASE)
_STREET: Final = re.compile(r"\b(?:street|address)\b", re.IGNORECASE)
_COUNTRIES: Final = frozenset(
    name.lower() for name in (*CITY_COUNTRIES.values(), *DEMONYMS.values(), "USA", "U.S.", "US")
)


def is_town(parameter: Parameter) -> bool:
    """Whether it takes a town alone: nothing that it says or shows has a state or a country beside it."""
    return parameter.named("city", "town") and not _REGION.search(parameter.description)


def is_place(text: str) -> bool:
    """Whether a text begins with a town, a state or a country that is known."""
    name = text.partition(",")[0].strip().lower()
    return name in CITY_STATES or name in CITY_COUNTRIES or name in STATES or name in _COUNTRIES


def joined(parameter: Parameter, intent: Intent) -> Iterator[Phrase]:
    """Offer towns together with what they lie in: "Lyon, France", and "Salem in Oregon"."""
    if is_town(parameter) or parameter.named("country", "state"):
        return
    for first, second in pairwise(intent.names):
        gap = intent.text[first.end : second.start]
        if gap == ", ":
            yield replace(first, text=intent.text[first.start : second.end], end=second.end)
        elif gap == " in " and second.text.lower() in STATES and not first.first:
            yield replace(first, text=f"{first.text}, {second.text}", end=second.end)


class Places:
    """What speaks for or against a phrase as the place that one parameter takes."""

    def __init__(self, parameter: Parameter, intent: Intent) -> None:
        self._intent = intent
        self._town = is_town(parameter)
        self._with_region = not self._town and bool(_REGION.search(parameter.description))
        self._street = bool(_STREET.search(parameter.description)) or parameter.named("address", "street")
        self._code = parameter.named("airport", "airports") and parameter.says("iata", "code")
        self._no_state = parameter.named("city", "town", "county")
        self._before_state = {
            one.start + len(one.text.partition(",")[0]) for one in joined(parameter, intent)
        }
        self._known = (
            _is_state if parameter.named("state") else _is_country if parameter.named("country") else None
        )

    def standing(self, phrase: Phrase) -> float:
        """Return what is added to its score for being a place, or taken off for being a part of one."""
        score = 0.35 if is_place(phrase.text) and not self._code else 0.0
        if self._known is not None:
            score += 0.2 if self._known(phrase.text) else -0.2
        if phrase.look is not Look.NAME:
            return score
        addresses, begins_with_number = self._intent.addresses, phrase.text[:1].isdigit()
        if any(one.start <= phrase.start and phrase.end <= one.end for one in addresses):
            score += 0.15 if begins_with_number else 0.0 if self._town else -0.4
        elif addresses and self._street:
            score -= 0.3
        if self._no_state and _is_state(phrase.text):
            score -= 0.4
        if "," in phrase.text:
            return score + (0.0 if begins_with_number else 0.06)
        if not self._town and (
            phrase.end in self._before_state or _GOES_ON.match(self._intent.text, phrase.end)
        ):
            score -= 0.5 if self._with_region else 0.3
        return score


_GOES_ON: Final = re.compile(r", [A-Z]")


def _is_state(text: str) -> bool:
    low = text.lower()
    return (low in STATES or text in STATE_NAMES) and low not in CITY_STATES


def _is_country(text: str) -> bool:
    return text.lower() in _COUNTRIES
