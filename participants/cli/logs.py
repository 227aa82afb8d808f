"""Where the library's log lines go in a command: standard error, never among the data."""

from __future__ import annotations

import logging
import os
import select
import sys
from typing import Final, TextIO, cast

import structlog

_STANDARD_ERROR: Final = 2
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


class _NobodyWaitedFor:
    """
    A stream whose reader may stop reading: what it has no room for is refused, not waited for.

    A program that starts `mcpx bridge` and never reads its standard error would
    otherwise stop the whole bridge, once the pipe between them is full.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(self._descriptor, select.POLLOUT)

    def write(self, text: str) -> None:
        """
        Write all of it.

        Raises:
            OSError: nobody reads, or the stream is closed.
        """
        data = text.encode(errors="replace")
        # A pipe that has room has room for that much (POSIX, PIPE_BUF).
        for at in range(0, len(data), select.PIPE_BUF):
            if not self._room.poll(0):
                raise BlockingIOError("nobody reads the log")
            os.write(self._descriptor, data[at : at + select.PIPE_BUF])

    def flush(self) -> None:
        """Nothing is kept here."""


def log_to(*, level: str = "info") -> None:
    """Write log lines to standard error: for a terminal in colours, else as JSON."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _NobodyWaitedFor(_STANDARD_ERROR))),
        cache_logger_on_first_use=False,
    )
