"""What is measured of a call, for the gate to judge by; every feature lies about between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType
from typing import Final

from router_agent.core.conforming import conforms
from router_agent.core.filling import Filled
from router_agent.core.intents import Intent, Look
from router_agent.core.language.words import STOP_WORDS, sense, stems_of
from router_agent.core.selector import Selected, profile_of
from router_agent.models.reading import Reading

RISING: Final = (
    "said",
    "words",
    "named",
    "described",
    "first",
    "sought",
    "echoed",
    "content",
    "margin",
    "cosine",
    "cosine_margin",
    "relevance",
    "weakest",
    "filled",
    "heard",
    "pointed",
    "together",
    "valid",
)
"""More of these never makes a call less credible: a fit that said so would be an accident of its data."""
FALLING: Final = ("missing", "unspoken", "unused", "left", "doubt", "guessed", "open", "arguments")
FEATURES: Final = (*RISING, *FALLING)
OF_VALUES: Final = ("pointed", "together", "guessed", "open")
"""What tells of a call's values alone: it is right or wrong by these as well, but not more or less wanted."""
BY_WORDS: Final = tuple(
    name
    for name in FEATURES
    if name not in {"cosine", "cosine_margin", "relevance", "heard", "left", "doubt", *OF_VALUES}
)
"""What a gate without an encoder judges by."""
BY_ITS_WORDS: Final = tuple(name for name in BY_WORDS if name not in {"sought", "echoed", "content"})
"""What says that part of a request is a wish of its own: words of its tool, not of a parameter only."""
BY_READING: Final = (
    "cosine",
    "named",
    "sought",
    "echoed",
    "content",
    "weakest",
    "filled",
    "heard",
    "valid",
    "missing",
    "unused",
    "left",
    "doubt",
)
"""
What one with an encoder judges by whether a call is wanted: not by relevance, which knows best what training
showed; nor by how far others are behind, which is what was chosen by; nor by the share of the request's words
that are the tool's, as the same wish may be uttered in five words or in fifty.
"""
BY_BOTH: Final = tuple(
    name for name in FEATURES if name not in {"relevance", "margin", "cosine_margin", "arguments"}
)
"""What it judges by whether all of the call is right."""
CHOOSING: Final = (
    "said",
    "named",
    "described",
    "cosine",
    "weakest",
    "filled",
    "valid",
    "missing",
    "unspoken",
)
"""What tells the tools of a short list apart."""
CHOICE: Final[Mapping[str, float]] = MappingProxyType(
    {"said": 1.0, "cosine": 2.2, "relevance": 0.6, "missing": -0.45, "unspoken": -0.25}
)
"""How they are told apart by a gate that was not fitted to it."""

UNTOLD: Final = 0.5
"""How well a tool knows of what is asked for where the request does not say it."""
UNPOINTED: Final = 0.5
"""How well a reading and a call agree on values where none was taken from the intent."""


def features_of(
    intent: Intent,
    ranked: list[Selected],
    at: int,
    filled: Filled,
    reading: Reading | None,
) -> dict[str, float]:
    """Measure the call of `ranked[at]`, by name of the feature."""
    one = ranked[at]
    others = [other for number, other in enumerate(ranked) if number != at]
    rival = max((other.score for other in others), default=0.0)
    required = [parameter for parameter in one.tool.parameters if parameter.required]
    heard = _Heard.of(one, filled, reading)
    cosine = one.cosine if one.cosine is not None else 0.0
    rival_cosine = max((other.cosine or 0.0 for other in others), default=0.0)
    return {
        "said": min(1.5, one.said),
        "words": one.words,
        "named": _covered(stems_of(one.tool.name), intent),
        "described": _covered(stems_of(one.tool.description)[:14], intent),
        "first": _opening(intent, one),
        "sought": _sought(intent, one, filled),
        "echoed": _echoed(intent, one),
        "content": float(any(parameter.is_content for parameter in required)),
        "margin": max(0.0, min(1.0, one.score - rival)) if others else 0.5,
        "cosine": max(0.0, cosine),
        "cosine_margin": max(0.0, min(0.5, cosine - rival_cosine)) if others else 0.1,
        "relevance": reading.relevance if reading is not None else 0.0,
        "weakest": filled.weakest,
        "filled": 1.0 - len(filled.missing) / len(required) if required else 1.0,
        "heard": heard.required,
        "pointed": heard.pointed,
        "together": math.prod(item.probability for item in filled.evidence),
        "valid": 0.0 if conforms(filled.arguments, one.tool.schema) is False else 1.0,
        "missing": min(1.0, len(filled.missing) / 3),
        "unspoken": _unspoken(intent, one, filled),
        "unused": _unused(intent, filled),
        "left": heard.left,
        "doubt": heard.doubt,
        "guessed": float(any(item.rule.startswith(Look.PHRASE) for item in filled.evidence)),
        "open": _open(one, filled),
        "arguments": min(1.0, len(filled.evidence) / 8),
    }


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a reading says of the parameters, beside what was made of them; probabilities."""

    required: float = 0.0
    """The least that one of those required was said."""
    left: float = 0.0
    """The greatest that one was said which got no value."""
    doubt: float = 0.0
    """The greatest that one was not said which got a value from the intent."""
    pointed: float = 0.0
    """On average, that just those words were said from which a value was taken."""

    @classmethod
    def of(cls, one: Selected, filled: Filled, reading: Reading | None) -> _Heard:
        if reading is None:
            return cls()
        given = {item.path: item.start >= 0 for item in filled.evidence}
        pairs = list(zip(one.tool.parameters, reading.slots, strict=False))
        places = {(item.path, item.start, item.end) for item in filled.evidence if item.start >= 0}
        shares = [
            sum(span.probability for span in slot.spans if (parameter.path, span.start, span.end) in places)
            for parameter, slot in pairs
            if given.get(parameter.path)
        ]
        return cls(
            min((1 - slot.absent for parameter, slot in pairs if parameter.required), default=0.7),
            max((1 - slot.absent for parameter, slot in pairs if parameter.path not in given), default=0.0),
            max((slot.absent for parameter, slot in pairs if given.get(parameter.path)), default=0.0),
            fmean(shares) if shares else UNPOINTED,
        )


def _unused(intent: Intent, filled: Filled) -> float:
    """The share of the intent's numbers, names and marked phrases that no argument took."""
    values = [(one.start, one.end) for one in intent.numbers]
    values += [(one.start, one.end) for one in (*intent.marked, *intent.names)]
    taken = [(one.start, one.end) for one in filled.evidence if one.start >= 0]
    left = [all(to <= start or at >= end for start, end in taken) for at, to in values]
    return sum(left) / len(left) if left else 0.0


def _open(one: Selected, filled: Filled) -> float:
    """The share of a tool's parameters that may be left out and were: one of them may be implied."""
    given = {item.path for item in filled.evidence}
    left = [parameter.path not in given and not parameter.required for parameter in one.tool.parameters]
    return sum(left) / len(left) if left else 0.0


def _covered(stems: Sequence[str], intent: Intent) -> float:
    """The share of some of a tool's words that the intent has, or has words for that mean the same."""
    telling = set(stems)
    spoken = {stem for stems in intent.stems for stem in stems}
    meant = intent.senses
    hits = sum(1.0 if stem in spoken else 0.6 if sense(stem) in meant else 0.0 for stem in telling)
    return hits / len(telling) if telling else 0.0


def _opening(intent: Intent, one: Selected) -> float:
    """Whether the first telling words, where people say what they want, are the tool's."""
    profile = profile_of(one.tool)
    telling = [
        stems for word, stems in zip(intent.words, intent.stems, strict=True) if word.lower not in STOP_WORDS
    ]
    hits = [
        any(stem in profile.stems or sense(stem) in profile.senses for stem in stems) for stems in telling[:3]
    ]
    return sum(hits) / len(hits) if hits else 0.0


def _sought(intent: Intent, one: Selected, filled: Filled) -> float:
    """Whether the tool, or a value that it gets, speaks of what is asked for."""
    if intent.asked_for is None:
        return UNTOLD
    word, stems = intent.words[intent.asked_for], intent.stems[intent.asked_for]
    if any(item.start <= word.start < item.end for item in filled.evidence):
        return 1.0
    profile = profile_of(one.tool)
    return float(any(stem in profile.stems or sense(stem) in profile.senses for stem in stems))


def _echoed(intent: Intent, one: Selected) -> float:
    """How many of the intent's telling words stand with the tool's parameters and not with it; 1: five."""
    told = profile_of(one.tool).beside
    hits = sum(
        any(stem in told for stem in stems)
        for word, stems in zip(intent.words, intent.stems, strict=True)
        if word.lower not in STOP_WORDS and word.lower.isalpha()
    )
    return min(1.0, hits / 5)


def _unspoken(intent: Intent, one: Selected, filled: Filled) -> float:
    """The share of the intent's telling words that neither the tool's text nor an argument accounts for."""
    profile = profile_of(one.tool)
    telling = left = 0
    for word, stems in zip(intent.words, intent.stems, strict=True):
        if word.lower in STOP_WORDS:
            continue
        telling += 1
        used = any(item.start <= word.start < item.end for item in filled.evidence if item.start >= 0)
        known = any(stem in profile.stems or sense(stem) in profile.senses for stem in stems)
        left += not (used or known)
    return left / telling if telling else 0.0
