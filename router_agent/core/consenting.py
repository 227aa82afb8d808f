"""Whether an answer says yes or no."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from typing import Final

_YES: Final = frozenset(
    "yes|y|yeah|yep|yup|ok|okay|sure|go on|go ahead|do it|do so|please do|proceed|continue|of course".split(
        "|"
    )
)
_NO: Final = frozenset("no|n|nope|nah|stop|cancel|don't|do not|leave it|never mind|not now".split("|"))
_POLITE: Final = re.compile(r"\b(?:please|thanks|thank you)\b")


def consent_in(answer: str) -> bool | None:
    """
    Return what an answer to a question says; `None`: neither yes nor no.

    Only an answer that is nothing else counts: "yes, but first …" is neither.
    """
    said = answer.lower().replace("’", "'")
    for text in (said, _POLITE.sub("", said)):
        plain = " ".join(re.findall(r"[\w']+", text))
        if plain in _YES or plain in _NO:
            return plain in _YES
    return None
