"""Stems: what is left of an English word without its grammatical ending."""

from __future__ import annotations

from functools import lru_cache
from typing import Final


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """
    Cut a word's grammatical ending off: `"calculating"` and `"calculates"` meet at `"calcul"`.

    Coarse on purpose: stems are only ever compared with each other.
    """
    word = word.lower().replace("’", "'")
    word = word.removesuffix("'s").strip("'")
    if len(word) <= 3 or not word.isascii():
        return word
    for ending, kept, least in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= least:
            word = word[: len(word) - len(ending)] + kept
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    while len(word) > 3 and word[-1] in "eyi":
        word = word[:-1]
    return word


_ENDINGS: Final = (
    ("izations", "iz", 3),
    ("ization", "iz", 3),
    ("ational", "at", 3),
    ("ations", "at", 3),
    ("ation", "at", 3),
    ("ators", "at", 3),
    ("ator", "at", 3),
    ("ities", "", 4),
    ("iness", "i", 3),
    ("ments", "", 4),
    ("ment", "", 4),
    ("ating", "at", 3),
    ("ated", "at", 3),
    ("ates", "at", 3),
    ("ings", "", 3),
    ("ing", "", 3),
    ("ions", "", 4),
    ("ion", "", 4),
    ("ies", "y", 2),
    ("ity", "", 4),
    ("ers", "", 4),
    ("ors", "", 4),
    ("ied", "", 3),
    ("sses", "ss", 2),
    ("xes", "x", 2),
    ("ches", "ch", 2),
    ("shes", "sh", 2),
    ("ed", "", 3),
    ("er", "", 4),
    ("or", "", 4),
    ("ly", "", 4),
    ("es", "e", 3),
    ("ss", "ss", 1),
    ("us", "us", 2),
    ("s", "", 3),
)
