"""Where the library's log lines go in a command: standard error, never among the data."""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

import structlog

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


def log_to(stream: TextIO | None = None, *, level: str = "info") -> None:
    """Write log lines to `stream`, by default standard error: for a terminal in colours, else as JSON."""
    out = sys.stderr if stream is None else stream
    renderer = structlog.dev.ConsoleRenderer() if out.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
