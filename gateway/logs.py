"""Logs: one line for each thing that an operator acts on; never a token, never a payload."""

from __future__ import annotations

import json
import logging
import os
import select
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import structlog


def configure_logs(form: str, level: str) -> None:
    """
    Write logs to stderr: `console` for people, `json` for machines, `auto` by what stderr is.

    Libraries that use the standard library's logging come out the same way.
    """
    as_text = form == "console" or (form == "auto" and sys.stderr.isatty())
    # Tracebacks without locals: those of a handshake hold its token.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderers: list[Any] = [_stamp, console] if as_text else [_json]
    lines = Lines(sys.stderr.fileno())
    structlog.configure(
        # Not by way of the standard library, which costs ten times as much for each connection.
        processors=renderers,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # uvicorn says at info what the gateway says itself, with the query string.
    for name in ("uvicorn.error", "uvicorn.access", "websockets", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Lines:
    """
    Writes lines to a descriptor that may be closed, full, or read by nobody.

    Such lines are lost, and end nothing: messages flow. The next that finds room
    says how many were.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._has_room = _asking_for_room(descriptor)
        self._lost = 0
        self._is_cut = False
        """Whether the last line ended before its end."""

    def msg(self, line: str) -> None:
        """Write a line, now or never."""
        self.write(line + "\n")

    debug = info = warning = warn = error = critical = exception = fatal = log = msg

    def write(self, text: str) -> None:
        """Write whole lines, with their ends (as `logging` has it)."""
        if self._lost and self._has_room():
            lost, self._lost = self._lost, 0
            structlog.get_logger("gateway.logs").warning("log.lines_lost", lines=lost)
        data = ("\n" * self._is_cut + text).encode(errors="backslashreplace")
        written = 0
        try:
            # Who has room has room for that much (POSIX, PIPE_BUF), and does not wait.
            for start in range(0, len(data), select.PIPE_BUF):
                if not self._has_room():
                    break
                written += os.write(self._descriptor, data[start : start + select.PIPE_BUF])
        except OSError:
            pass
        if written:
            self._is_cut = written < len(data)
        self._lost += written < len(data)

    def flush(self) -> None:
        """Keeps nothing back."""


def _asking_for_room(descriptor: int) -> Callable[[], object]:
    """Return what tells whether a line would be taken at once."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return partial(bool, True)  # noqa: FBT003  # it always has
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    return partial(room.poll, 0)


def _stamp(_: Any, level: str, event: Any) -> Any:
    # One step for what takes four of structlog's: a connection logs twice.
    event["level"] = level
    event["timestamp"] = datetime.now(UTC).isoformat()[:-6] + "Z"
    return event


def _json(logger: Any, level: str, event: Any) -> str:
    _stamp(logger, level, event)
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, level, event)
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, an integer beyond 64 bits
        return json.dumps(event, default=repr)
