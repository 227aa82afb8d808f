"""Where rules live between runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import orjson

from participants.approver.book import RuleBook
from participants.approver.errors import RulesUnreadable


class RuleStore(Protocol):
    """Keeps a book of rules."""

    def load(self) -> RuleBook:
        """Return the book as it was last saved; an empty one at first."""
        ...

    def save(self, book: RuleBook) -> None:
        """Keep the book; when this returns, it is kept."""
        ...


class MemoryRules(RuleStore):
    """Keeps rules as long as the process lives."""

    def __init__(self) -> None:
        self._book = RuleBook()

    def load(self) -> RuleBook:
        return self._book

    def save(self, book: RuleBook) -> None:
        self._book = book


class RuleFile(RuleStore):
    """Keeps rules in a JSON file, mode 0600, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> RuleBook:
        """
        Read the file.

        Raises:
            RulesUnreadable: there is one, and it is no book of rules. Then nothing is decided by it.
        """
        try:
            return RuleBook.from_json(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return RuleBook()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RulesUnreadable(str(self._path), str(error)) from error

    def save(self, book: RuleBook) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        with fresh.open("wb") as file:
            file.write(orjson.dumps(book.as_json(), option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
