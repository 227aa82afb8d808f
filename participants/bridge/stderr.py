"""How much of a server's standard error goes to the log."""

from __future__ import annotations

from typing import Final

LINES: Final = 50
WINDOW_S: Final = 10.0


class StderrBudget:
    """At most so many lines in a window of time; the rest is counted."""

    def __init__(self, *, lines: int = LINES, window_s: float = WINDOW_S, max_line: int = 2000) -> None:
        self._lines, self._window_s = lines, window_s
        self.max_line = max_line
        """Bytes logged of one line."""
        self._window_began = float("-inf")
        self._spent = 0
        self._left_out = 0

    def spend(self, now: float) -> tuple[bool, int]:
        """Say whether one more line may be logged, and how many were not in the window that just ended."""
        left_out = 0
        if now - self._window_began >= self._window_s:
            left_out, self._left_out = self._left_out, 0
            self._window_began, self._spent = now, 0
        if self._spent < self._lines:
            self._spent += 1
            return True, left_out
        self._left_out += 1
        return False, left_out
