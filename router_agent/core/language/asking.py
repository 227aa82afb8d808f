"""What a request asks for: "acceleration" of "what is the acceleration a ball will reach"."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from router_agent.core.language.words import STOP_WORDS, Word

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
_APART: Final = frozenset(",.;:?!(")


def asked_for(text: str, words: Sequence[Word]) -> int | None:
    """Return which of a text's words names what is asked for; `None` where none does, or a proper name."""
    asking = _ASKING.search(text)
    head: int | None = None
    for number, word in enumerate(words if asking else ()):
        if asking and word.start < asking.end():
            continue
        if word.lower in _BEHIND or not word.lower[0].isalpha():
            break
        if head is not None:
            between = text[words[head].end : word.start]
            if word.lower.endswith("ing") or set(between) & _APART:
                break
        head = number
    if head is None or words[head].lower in STOP_WORDS or words[head].text[0].isupper():
        return None
    return head
