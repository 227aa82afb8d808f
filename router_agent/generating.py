"""A user's GGUF as a second opinion: guarded by a breaker, and never the reason that a route fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from router_agent.core import Intent, Tool
from router_agent.core.limits import Breaker
from router_agent.errors import ModelUnavailable

_log: Final = logging.getLogger(__name__)

SLOWEST_S: Final = 8.0
"""Seconds for one answer; a slower one counts as a failure for the breaker."""


class GgufWriter:
    """Asks a llama.cpp model for calls; fails closed, as if it had none."""

    def __init__(
        self, model: Any, *, breaker: Breaker | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`model` is a `router_agent.models` model, used by one thread; `clock` counts seconds."""
        self._model, self._breaker, self._clock = model, breaker or Breaker(), clock

    @classmethod
    def open(cls, path: Path) -> GgufWriter:
        """
        Load a GGUF; its dialect is chosen from its own template.

        Raises:
            ModelUnavailable: it cannot be loaded, or writes no calls that are known.
        """
        try:
            from router_agent.models.llama import LlamaModel
        except ImportError as error:
            raise ModelUnavailable(path.name, f"{error}; install the extra [router]") from error
        try:
            return cls(LlamaModel(path))
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelUnavailable(path.name, str(error)) from error

    def write(self, intent: Intent, tools: Sequence[Tool]) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Return the model's calls; none where it has none, is left alone, or fails."""
        from router_agent.models.decoding import write_calls
        from router_agent.models.dialects import Tool as Offered

        began = self._clock()
        if not self._breaker.admits(began):
            return ()
        offered = [Offered(tool.name, tool.description, tool.schema) for tool in tools]
        try:
            written = write_calls(self._model, self._model.dialect, intent.text, offered, intent.today)
        except (ValueError, RuntimeError, KeyError) as error:
            self._breaker.failed(self._clock())
            _log.warning("model.failed", extra={"why": str(error)})
            return ()
        if self._clock() - began > SLOWEST_S:
            self._breaker.failed(self._clock())
        else:
            self._breaker.succeeded()
        return [(call.name, call.arguments) for call in written.calls]
