"""The bridge's log, which may fail and ends nothing: a server is worth more than a line about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog


class Log:
    """
    Says what happens, where the application has structlog say it.

    Where that cannot be written (standard error is closed, the disk is full)
    the line is dropped and counted, and the next that gets through says how
    many were.
    """

    def __init__(self) -> None:
        self._log: Any = structlog.get_logger("participants.bridge")
        self.dropped = 0
        """Lines that could not be written since the last that was."""

    def info(self, event: str, **facts: object) -> None:
        """Say what is worth knowing."""
        self._say(self._log.info, event, facts)

    def warning(self, event: str, **facts: object) -> None:
        """Say what should not be."""
        self._say(self._log.warning, event, facts)

    def error(self, event: str, **facts: object) -> None:
        """Say what is wrong."""
        self._say(self._log.error, event, facts)

    def exception(self, event: str, **facts: object) -> None:
        """Say what is wrong, with the error that is being handled."""
        self._say(self._log.exception, event, facts)

    def _say(self, how: Callable[..., object], event: str, facts: dict[str, object]) -> None:
        try:
            if self.dropped:
                self._log.warning("log.lines_dropped", lines=self.dropped)
                self.dropped = 0
            how(event, **facts)
        except (OSError, ValueError):  # a closed file raises the latter
            self.dropped += 1


log: Final = Log()
