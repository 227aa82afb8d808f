"""Logs: one line for each thing that an operator acts on; never a token, never a payload."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, TextIO

import orjson
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
    renderer: Any = console if as_text else structlog.processors.JSONRenderer(_json)
    lines = _Lines(sys.stderr)
    structlog.configure(
        # Not by way of the standard library, which costs ten times as much for each connection.
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: lines,
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


class _Lines:
    """Writes lines. A stream that is gone loses them and ends nothing: messages flow."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


def _json(event: Any, **_: Any) -> str:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, an integer beyond 64 bits
        return json.dumps(event, default=repr)


def _as_it_is(_: Any, __: str, event: Any) -> Any:
    return event
