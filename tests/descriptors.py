"""A guard: a run of tests that ends with far more open files than it began with has left something open."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

OPEN: Final = Path("/proc/self/fd")
ALLOWED: Final = 50
"""So many more may be open at the end: what Python itself keeps, and no leak of a descriptor a test."""
NAMED: Final = 10


class DescriptorGuard:
    """Counts open files after each test; at the end, too many fail the run and are named."""

    def __init__(self) -> None:
        self._at_start = self._before = self.most = 0
        self._grew: Counter[str] = Counter()

    def pytest_sessionstart(self) -> None:
        self._at_start = self._before = self.most = count()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        now = count()
        self._grew[nodeid] += now - self._before
        self._before, self.most = now, max(self.most, now)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        left = count() - self._at_start
        if left > ALLOWED and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        left = count() - self._at_start
        if left <= ALLOWED:
            return
        terminalreporter.section("open files")
        terminalreporter.line(
            f"{left} more are open than at the start, and {self.most} were at most; of these,"
        )
        for nodeid, more in self._grew.most_common(NAMED):
            terminalreporter.line(f"  {more:+d} after {nodeid}")
        for what, number in kinds().most_common(NAMED):
            terminalreporter.line(f"  {number} are {what}")


def count() -> int:
    """How many files are open; 0 where the system does not say."""
    return len(os.listdir(OPEN)) if OPEN.is_dir() else 0  # noqa: PTH208  # the names are not needed


def kinds() -> Counter[str]:
    """What is open: files by their names, sockets and pipes by what they are."""
    found: Counter[str] = Counter()
    for entry in OPEN.iterdir() if OPEN.is_dir() else ():
        try:
            found[str(entry.readlink()).partition(":[")[0]] += 1
        except OSError:
            continue  # the one that lists the directory
    return found
