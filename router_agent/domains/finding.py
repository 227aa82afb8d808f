"""Finds texts by words, the best first: SQLite's full-text search over a few hundred of them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

MOST_WORDS: Final = 20
"""Of one search; what follows is left out."""


@dataclass(frozen=True, slots=True)
class Text:
    """What can be found."""

    key: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found."""

    key: str
    title: str
    snippet: str
    """Some words around the best hit."""


def best_of(texts: Iterable[Text], words: str, most: int) -> list[Found]:
    """
    Return at most `most` texts that have one of the words, in any form; the best first.

    A title counts more than a text. The words are data: no operator of the search works in them.
    """
    wanted = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", words)[:MOST_WORDS])
    if not wanted:
        return []
    # Made anew for each search: what is searched changes, and a few hundred texts take milliseconds.
    with closing(sqlite3.connect(":memory:")) as index:
        index.execute(
            "CREATE VIRTUAL TABLE texts USING fts5(key UNINDEXED, title, text, tokenize='porter unicode61')"
        )
        index.executemany(
            "INSERT INTO texts VALUES (?, ?, ?)", ((one.key, one.title, one.text) for one in texts)
        )
        rows = index.execute(
            "SELECT key, title, snippet(texts, 2, '', '', '…', 16) FROM texts WHERE texts MATCH ?"
            " ORDER BY bm25(texts, 0, 4, 1) LIMIT ?",
            (wanted, most),
        )
        return [Found(key, title, " ".join(snippet.split())) for key, title, snippet in rows]
