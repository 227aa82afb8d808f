"""What a request asks for ("what is the acceleration a ball will reach"), and whether a tool knows of it."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from typing import Final

from router_agent.core.filling import Filled
from router_agent.core.intents import Intent
from router_agent.core.language.words import STOP_WORDS, sense
from router_agent.core.selector import Selected, profile_of

UNTOLD: Final = 0.5
"""Where the request does not say what it asks for, or not in a way that is known here."""

_ASKING: Final = re.compile(
    r"(?:^|[.!?,]\s+|\b(?:please|(?:can|could|would) you|i want to|i need to|i'd like to|help me|"
    r"(?:want|like) to know|tell me)\s+)"
    r"(?:what(?:'s|\s+(?:is|are|was|were|will\s+be))|who(?:'s|\s+(?:is|was|are|were))|how\s+(?:much|many)|which|"
    r"calculate|compute|determine|estimate|find|get|fetch|retrieve|show|give|tell|list|identify|"
    r"search\s+for|look\s+(?:for|up)|book|reserve|order|buy|create|make|send|predict|analy[sz]e|check|convert|"
    r"i\s+(?:need|want))\s+"
    r"(?:(?:me|us|out|up|to\s+(?:know|find))\s+)?(?:(?:the|an?|some|any|my|all|about)\s+)*",
    re.IGNORECASE,
)
_BEHIND: Final = frozenset(
    "of for in with to that which who from between at on by given if is are was were will a an the when "
    "where and or as using based than about into has have had does do did can could should would my your its "
    "their i you we they it this it's these those during after before over under near within per located "
    "related called named titled made done used sent available held released written published "
    "directed".split()
)
"""Words that no longer belong to what is asked for."""


def sought(intent: Intent, one: Selected, filled: Filled) -> float:
    """Return 1 where the tool, or a value that it gets, speaks of what is asked for; 0 where neither does."""
    asking = _ASKING.search(intent.text)
    head = _head(intent, asking.end()) if asking else None
    if head is None:
        return UNTOLD
    word = intent.words[head]
    if word.lower in STOP_WORDS or word.text[0].isupper():
        return UNTOLD
    if any(item.start <= word.start < item.end for item in filled.evidence):
        return 1.0
    profile = profile_of(one.tool)
    stems = intent.stems[head]
    return float(any(stem in profile.stems or sense(stem) in profile.senses for stem in stems))


def _head(intent: Intent, start: int) -> int | None:
    """Return the number of the last word of the phrase that starts there."""
    head: int | None = None
    for number, word in enumerate(intent.words):
        if word.start < start:
            continue
        if word.lower in _BEHIND or not word.lower[0].isalpha():
            break
        if head is not None and (
            word.lower.endswith("ing")
            or set(",.;:?!(") & set(intent.text[intent.words[head].end : word.start])
        ):
            break
        head = number
    return head
