"""The Selector: which tools do what an intent asks for, by words, and by an encoder where there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from router_agent.core.encoder import Encoder
from router_agent.core.intents import Intent
from router_agent.core.language.words import sense, stems_of
from router_agent.core.tools import Catalogue, Tool

NAME, DESCRIPTION, PARAMETERS, CHOICES, WHOSE = 1.6, 1.0, 0.45, 0.5, 0.5
"""How much a word counts in each part of a tool's text."""
_FIELD_LENGTH: Final = 14.0
"""Words of a description beyond which each counts less, so that stuffing keywords gains nothing."""
_SYNONYM: Final = 0.55
COSINE: Final = 2.2
"""How much an encoder's cosine counts beside the share of words, when a short list is made."""


@dataclass(frozen=True, slots=True)
class Selected:
    """One tool, and how well it suits an intent."""

    tool: Tool
    score: float
    """Comparable within one selection; the best comes first."""
    said: float
    """The part of the score that words alone give."""
    words: float
    """0 to 1: the weighted share of the intent's telling words that the tool's text has."""
    cosine: float | None = None
    """-1 to 1, by the encoder."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A tool's text in numbers: what each stem and each sense in it weighs."""

    stems: Mapping[str, float]
    senses: Mapping[str, float]
    beside: frozenset[str]
    """Stems that stand with its parameters, and neither in its name nor in its description."""


@lru_cache(maxsize=4_096)
def profile_of(tool: Tool) -> Profile:
    """Weigh the words of a tool's name, description, parameters and choices."""
    stems: dict[str, float] = {}
    described = stems_of(tool.description)
    dilution = min(1.0, (_FIELD_LENGTH / max(1, len(described))) ** 0.5)
    parts: list[tuple[Sequence[str], float]] = [
        (stems_of(tool.name), NAME),
        (described[:60], DESCRIPTION * dilution),
        (stems_of(tool.participant), WHOSE),
    ]
    spread = min(1.0, 4 / max(1, len(tool.parameters)))
    for parameter in tool.parameters:
        parts.append((stems_of(parameter.name), PARAMETERS * max(0.5, spread)))
        parts.append((stems_of(parameter.description)[:16], 0.5 * PARAMETERS * spread))
        parts += [(stems_of(str(choice)), CHOICES) for choice in parameter.choices[:40]]
    for words, weight in parts:
        for word in words:
            stems[word] = max(stems.get(word, 0.0), weight)  # said twice counts once
    senses: dict[str, float] = {}
    for word, weight in stems.items():
        group = sense(word)
        if group.startswith("~"):
            senses[group] = max(senses.get(group, 0.0), weight)
    told = frozenset[str]().union(*(parameter.texts for parameter in tool.parameters))
    return Profile(stems, senses, told.difference(stems_of(tool.name), described))


def select(intent: Intent, catalogue: Catalogue, encoder: Encoder | None = None) -> list[Selected]:
    """Return every tool of the catalogue, the best first; ties in the catalogue's order."""
    profiles = [profile_of(tool) for tool in catalogue]
    spoken = _spoken(intent)
    rarity = {word: _rarity(word, profiles) for word in spoken}
    cosines: Sequence[float | None] = [None] * len(catalogue)
    if encoder is not None and len(catalogue):
        cosines = encoder.nearness(intent.text, [tool.page.text for tool in catalogue])
    whole = sum(rarity.values()) or 1.0
    out: list[Selected] = []
    for tool, profile, cosine in zip(catalogue, profiles, cosines, strict=True):
        hit = covered = 0.0
        for word, weight in rarity.items():
            said = max(profile.stems.get(word, 0.0), _SYNONYM * profile.senses.get(sense(word), 0.0))
            hit += weight * said
            covered += weight * min(1.0, said)
        said = hit / whole + 0.1 * _same_words(intent, tool)
        score = said if cosine is None else said + COSINE * cosine
        out.append(Selected(tool, score, said, covered / whole, cosine))
    out.sort(key=lambda one: -one.score)
    return out


def _spoken(intent: Intent) -> list[str]:
    """The intent's telling stems, each once; numbers and addresses say nothing of a tool."""
    return list(dict.fromkeys(word for word in stems_of(intent.text) if not word.isdigit() and len(word) > 1))


def _rarity(word: str, profiles: Sequence[Profile]) -> float:
    """How telling a word is in this catalogue: one that every tool has tells nothing of which."""
    count = len(profiles)
    holders = sum(word in one.stems or sense(word) in one.senses for one in profiles)
    if holders == 0:
        return 0.3
    return 0.15 + math.log(1 + (count - holders + 0.5) / (holders + 0.5)) / math.log(1 + 2 * count + 1)


def _same_words(intent: Intent, tool: Tool) -> float:
    """Whether the intent spells the tool's own name out."""
    name = tool.name.lower()
    return 1.0 if len(name) > 3 and name in intent.text.lower() else 0.0
