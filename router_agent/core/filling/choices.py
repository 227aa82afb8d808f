"""Fills enums: the choice whose words, abbreviation or meaning the intent has."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.nearness import Cues
from router_agent.core.intents import Intent
from router_agent.core.language.stems import stem
from router_agent.core.language.tables import CURRENCIES, UNITS
from router_agent.core.language.words import STOP_WORDS, parts_of, sense
from router_agent.core.parameters import Parameter
from router_agent.models.reading import SlotReading

_WEAK: Final = frozenset(
    "all any none other both default dontcare normal standard auto null unknown on off".split()
)
"""Choices that are rarely meant where their word stands by chance."""

_EVERY: Final = frozenset({"dontcare", "any", "all", "either", "whatever"})
_INDIFFERENT: Final = re.compile(
    r"\b(?:any|whatever|whichever|regardless of|no (?:\w+ )?preference|(?:don'?t|do not) (?:care|mind)|"
    r"(?:doesn'?t|does not) matter)\b",
    re.IGNORECASE,
)
"""How somebody says that every choice is welcome."""


def choices_for(
    parameter: Parameter, intent: Intent, cues: Cues, reading: SlotReading | None
) -> Iterator[Candidate]:
    """Offer each choice that the intent speaks of."""
    read = _read(parameter, reading)
    for choice in parameter.choices:
        score, start, end = _said(parameter, choice, intent, cues)
        if read:  # it may add to what words say, and take nothing from it
            share = read.get(str(choice), 0.0)
            score = max(score, 0.55 * score + 0.45 * share if score else 0.8 * share)
        if score > 0:
            yield Candidate(choice, min(1.0, score), start, end, "choice", shares=True)


def _read(parameter: Parameter, reading: SlotReading | None) -> dict[str, float]:
    if reading is None or len(reading.choices) < 2:
        return {}
    return {
        str(choice): probability
        for choice, probability in zip(parameter.choices, reading.choices[1:], strict=False)
    }


def _said(parameter: Parameter, choice: Any, intent: Intent, cues: Cues) -> tuple[float, int, int]:
    """Return how plainly a choice is said, and where."""
    if isinstance(choice, bool):
        return 0.0, -1, -1
    number = float(choice) if str(choice).isdecimal() and len(str(choice)) < 9 else choice
    if isinstance(number, int | float):
        hits = [one for one in intent.numbers if one.value == number]
        best = max(hits, key=lambda one: cues.near(parameter, one.start, one.end), default=None)
        if best and number >= 1000:  # a year, say: no other number is one by chance
            return 0.8, best.start, best.end
        if best:
            return 0.4 + 0.5 * cues.near(parameter, best.start, best.end), best.start, best.end
    best_score, where = 0.0, (-1, -1)
    if str(choice).lower() in _EVERY:
        for hit in _INDIFFERENT.finditer(intent.text):
            near = cues.near(parameter, hit.start(), hit.end())
            if near > 0.5:
                best_score, where = 0.5 + 0.4 * near, hit.span()
    for words, factor in _forms(str(choice), parameter.description):
        score, start, end = _match(words, intent)
        if score and str(choice).lower() in _WEAK:
            score *= 0.3 + 0.6 * cues.near(parameter, start, end)
        elif score and start >= 0:
            score *= 0.88 + 0.12 * cues.near(parameter, start, end)
        if score * factor > best_score:
            best_score, where = score * factor, (start, end)
    return best_score, *where


@lru_cache(maxsize=4_096)
def _forms(choice: str, description: str) -> tuple[tuple[tuple[str, ...], float], ...]:
    """Return what a choice may be called, each with how far it is to be trusted."""
    parts = parts_of(choice) or (choice.lower(),)
    forms: list[tuple[tuple[str, ...], float]] = [(parts, 1.0)]
    code = choice.upper()
    forms += [
        (tuple(name.split()), 0.95)
        for name, of in CURRENCIES.items()
        if of == code and len(choice) == 3 and name != choice.lower()
    ]
    unit = UNITS.get(choice) or UNITS.get(choice.lower())
    if unit:
        forms += [
            ((word,), 0.9) for word, of in UNITS.items() if of == unit and word.lower() != choice.lower()
        ]
    # "1 for Bangkok", "C = Celsius", "'std' (standard)": the description says what a choice means
    meaning = re.search(
        rf"(?<![\w]){re.escape(choice)}['\"]?\s*(?:=|:|->|-|for|means|is|represents|\()\s*['\"]?"
        r"([A-Za-z][\w ]{1,30})",
        description,
    )
    if meaning:
        told = tuple(one for one in meaning.group(1).lower().split() if one not in STOP_WORDS)[:3]
        if told:
            forms.append((told, 0.85))
    return tuple(forms)


def _match(words: tuple[str, ...], intent: Intent) -> tuple[float, int, int]:
    """Return how much of a form the intent has: in one piece, scattered, or by words that mean it."""
    wanted = [stem(word) for word in words]
    exact = list(words)
    places = intent.words
    joined = "".join(words)
    for at in range(len(places)):
        run = intent.stems[at : at + len(words)]
        if len(run) == len(words) and all(one in has for one, has in zip(wanted, run, strict=True)):
            same = all(
                word == place.lower for word, place in zip(exact, places[at : at + len(words)], strict=True)
            )
            short = len(words) == 1 and len(words[0]) <= 2
            if short and not same:
                continue
            if short and places[at].lower in STOP_WORDS and not places[at].text.isupper():
                continue
            return (1.0 if same else 0.95), places[at].start, places[at + len(words) - 1].end
        if len(words) > 1 and places[at].lower.replace("-", "").replace("_", "") == joined:
            return 1.0, places[at].start, places[at].end
    if len(words) == 1 and len(joined) >= 3:
        for place in places:
            if place.lower in STOP_WORDS:
                continue
            long, short_ = sorted((place.lower, joined), key=len, reverse=True)
            if len(short_) >= 3 and long.startswith(short_) and len(short_) >= 0.3 * len(long):
                if any(" " in one.text and one.start <= place.start < one.end for one in intent.names):
                    continue  # "Bang Kruai" is not short for Bangkok
                return 0.7, place.start, place.end
    telling = [one for one, word in zip(wanted, words, strict=True) if word not in STOP_WORDS]
    if not telling:
        return 0.0, -1, -1
    found = {
        one: place
        for place, stems in zip(places, intent.stems, strict=True)
        for one in telling
        if one in stems
    }
    share = len(found) / len(telling)
    if share:
        start = min(one.start for one in found.values())
        return (0.85 if share == 1 else 0.6 * share), start, max(one.end for one in found.values())
    for place, stems in zip(places, intent.stems, strict=True):
        if place.lower not in STOP_WORDS and any(
            sense(one) == sense(each) and sense(one).startswith("~") for one in telling for each in stems
        ):
            return 0.5, place.start, place.end
    return 0.0, -1, -1
