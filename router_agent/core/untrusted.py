"""What strangers wrote, made safe to read, to show and to repeat."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

MOST_TEXT: Final = 2_048
"""Characters of a description that are looked at; a longer one is cut."""

# What models read as structure: left in a description, it could close the list of tools and begin an order.
# Each becomes a space, which none of them holds: so what is left never forms another, and one pass is enough.
_CONTROL_TOKENS: Final = re.compile(
    r"<\||\|>|</?(?:bos|eos|pad|unk|mask|escape|s)>|</?(?:start|end)_(?:of_turn|function_\w{1,24})>"
    r"|\[/?INST\]|<</?SYS>>",
    re.IGNORECASE,
)
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Co", "Cs"})
"""Unicode categories of characters that nobody sees."""


def clean(text: str, most: int = MOST_TEXT) -> str:
    """Make untrusted text harmless to read: no control characters or tokens, one space, a limit."""
    letters = unicodedata.normalize("NFC", text[: most * 2])
    text = "".join(" " if unicodedata.category(one) in _UNSEEN else one for one in letters)
    return " ".join(_CONTROL_TOKENS.sub(" ", text).split())[:most].rstrip()


def harmless(text: str) -> str:
    """Break every marker of an intent in a text that the router did not write."""
    return re.sub(r"\[(?=\s*tool\s*:)", "(", text, flags=re.IGNORECASE)


def texts_of(result: Mapping[str, Any]) -> list[str]:
    """Return the texts of a tool's result; what a server sent in another shape is passed over."""
    content = result.get("content")
    return [
        part["text"]
        for part in (content if isinstance(content, list) else ())
        if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)
    ]
