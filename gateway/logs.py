"""Logs: one line for each thing that an operator acts on; never a token, never a payload."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure_logs(form: str, level: str) -> None:
    """
    Write logs to stderr: `console` for people, `json` for machines, `auto` by what stderr is.

    Libraries that use the standard library's logging come out the same way.
    """
    as_text = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if not as_text else _as_it_is,
    ]
    # Tracebacks without locals: those of a handshake hold its token.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: Any = console if as_text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # uvicorn says at info what the gateway says itself, with the query string.
    for name in ("uvicorn.error", "uvicorn.access", "websockets", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _as_it_is(_: Any, __: str, event: Any) -> Any:
    return event
