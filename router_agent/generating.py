"""A user's GGUF as a second opinion: on its own thread, guarded, and never the reason that a route fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Final

from router_agent.core import Intent, Tool
from router_agent.core.limits import Breaker, State
from router_agent.errors import ModelUnavailable
from router_agent.models.dialects import Call
from router_agent.models.dialects import Tool as Offered
from router_agent.workers import Workers

_log: Final = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 5.0
"""Seconds from asking to the answer, waiting for others among them; then the route goes on without."""


class GgufWriter:
    """
    Asks a llama.cpp model for calls; fails closed, as if it had none.

    The model works on a thread of its own. One that fails again and again, or does not answer in
    time, is left alone for a while: what waits for it then goes by words at once.
    """

    def __init__(
        self,
        model: Any,
        *,
        adapters: Collection[str] = (),
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
        deadline: float = ANSWER_WITHIN_S,
    ) -> None:
        """
        `model` is a `router_agent.models` model; `clock` counts seconds, and so does `deadline`.

        `adapters` are the domains that have one in the model's bank, by participants' ids.
        """
        self._model, self._adapters = model, frozenset(adapters)
        self._breaker, self._clock, self._deadline = breaker or Breaker(), clock, deadline
        self._guard = threading.Lock()
        self._late: Future[Sequence[Call]] | None = None
        self._workers = Workers("router-model")

    @classmethod
    def open(cls, path: Path, adapters: Mapping[str, Path] | None = None) -> GgufWriter:
        """
        Load a GGUF, and LoRA adapters by domain; its dialect is chosen from its own template.

        Raises:
            ModelUnavailable: one cannot be loaded, or the model writes no calls that are known.
        """
        try:
            from router_agent.models.llama import LlamaModel
        except ImportError as error:
            raise ModelUnavailable(path.name, f"{error}; install the extra [router]") from error
        try:
            model = LlamaModel(path)
            for domain, adapter in (adapters or {}).items():
                model.adapters.add(domain, adapter)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelUnavailable(path.name, str(error)) from error
        return cls(model, adapters=adapters or ())

    def write(self, intent: Intent, tools: Sequence[Tool]) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        """
        Return the model's calls; `None` where it is left alone, fails, or is late.

        It works with the adapter of the first tool's domain, or with none.
        """
        with self._guard:
            is_stuck = self._late is not None and not self._late.done()
            is_trial = self._breaker.state(self._clock()) is State.HALF_OPEN
            if is_stuck or not self._breaker.admits(self._clock()):
                return None
        work = self._workers.submit(partial(self._written, intent, tools))
        try:
            calls = work.result(self._deadline)
        except TimeoutError:
            if work.cancel():
                self._gave_up(is_trial=is_trial)
            else:
                self._late = work
                self._failed("it did not answer in time", at_once=True)
            return None
        except Exception as error:  # noqa: BLE001 - a model is a stranger: whatever it raises, the route goes on
            self._failed(str(error))
            return None
        with self._guard:
            self._breaker.succeeded()
        return [(call.name, call.arguments) for call in calls]

    def _written(self, intent: Intent, tools: Sequence[Tool]) -> Sequence[Call]:
        """What the model writes; on its own thread."""
        from router_agent.models.decoding import CannotDecode, write_calls

        if self._adapters:
            domain = tools[0].participant
            self._model.adapters.use({domain: 1.0} if domain in self._adapters else {})
        offered = [Offered(tool.name, tool.description, tool.schema) for tool in tools]
        try:
            return write_calls(self._model, self._model.dialect, intent.text, offered, intent.today)
        except CannotDecode:
            return ()  # an answer that these schemas do not allow says nothing of the model's health

    def _gave_up(self, *, is_trial: bool) -> None:
        """An intent waited for others until it was too late: that says nothing of the model."""
        _log.info("model.not_reached")
        if is_trial:
            with self._guard:
                self._breaker.withdrew()

    def _failed(self, why: str, *, at_once: bool = False) -> None:
        _log.warning("model.failed", extra={"why": why})
        with self._guard:
            self._breaker.failed(self._clock(), at_once=at_once)
