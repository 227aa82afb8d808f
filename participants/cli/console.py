"""
Two streams: data on standard output, talk on standard error.

What other participants wrote reaches a terminal only through `visible`: a chat
line could otherwise carry escape sequences that move the cursor over the line
above it, or that turn the reading order round.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache
from typing import Any, Final

import orjson
from rich.console import Console
from rich.text import Text

_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that show nothing, or change how their neighbours show."""


@cache
def talk_console() -> Console:
    """The console for people; colours only on a terminal and without NO_COLOR."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def say(*parts: str | tuple[str, str], end: str = "\n") -> None:
    """Tell the person something; a part may be `(text, style)`."""
    talk_console().print(Text.assemble(*parts), end=end)


def put(line: str) -> None:
    """Write one line of data."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def put_json(value: Any) -> None:
    """Write one JSON value on one line of data."""
    put(orjson.dumps(value).decode())


def visible(text: str) -> str:
    """
    Return `text` with every character that could hide or disguise something spelled out.

    Line breaks and tabs stay: the caller decides how lines are set.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or not _is_hidden(character) else _spelled(character)
        for character in text
    )


def one_line(text: str) -> str:
    """Return `text` as `visible` does, with line breaks and tabs spelled out too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN_CATEGORIES


def _spelled(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
