"""An encoder on a thread of its own: intents that wait while it computes go into its next pass together."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from router_agent.core import Encoder, Tool
from router_agent.models import Reading, ToolPage
from router_agent.workers import Workers

_log: Final = logging.getLogger(__name__)

Answer = TypeVar("Answer")
_Waiting = tuple[str, Callable[[], Any], "Future[Any]"]


class HearingEncoder(Encoder, Protocol):
    """An encoder that reads several intents in one pass; for one thread at a time."""

    def hear(self, intents: Sequence[str]) -> None:
        """Read intents, so that questions about them cost no pass of their own."""
        ...

    def prepare(self, tools: Sequence[ToolPage]) -> None:
        """Read what belongs to tools alone, so that the first intent that wants them need not wait."""
        ...


class BatchedEncoder(Encoder):
    """One encoder for many threads that route."""

    def __init__(self, encoder: HearingEncoder) -> None:
        """`encoder` is used by nobody else."""
        self._encoder = encoder
        self._workers = Workers("router-encoder")
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._unmet: deque[Tool] = deque()

    def nearness(self, intent: str, texts: Sequence[str]) -> Sequence[float]:
        return self._answered(intent, partial(self._encoder.nearness, intent, texts))

    def read(self, intent: str, tools: Sequence[ToolPage]) -> Sequence[Reading]:
        return self._answered(intent, partial(self._encoder.read, intent, tools))

    def prepare(self, tools: Iterable[Tool]) -> None:
        """Have tools prepared, and wait for it: for who measures."""
        pages = [tool.page for tool in tools]
        self._workers.submit(partial(self._encoder.prepare, pages)).result()

    def meet(self, tools: Iterable[Tool]) -> None:
        """Have tools prepared one by one where no intent waits; in place of those that were to be."""
        with self._lock:
            self._unmet = deque(tools)
        self._workers.submit(self._pass)

    def _answered(self, intent: str, answer: Callable[[], Answer]) -> Answer:
        """Wait for the answer to one question; blocks the thread that asks."""
        future: Future[Answer] = Future()
        with self._lock:
            self._waiting.append((intent, answer, future))
        self._workers.submit(self._pass)
        return future.result()

    def _pass(self) -> None:
        """Answer all that wait, else prepare one tool; many a pass finds that an earlier one did it."""
        with self._lock:
            taken, self._waiting = self._waiting, []
            unmet = self._unmet.popleft() if self._unmet and not taken else None
        if taken:
            self._answer(taken)
        elif unmet is not None:
            self._prepare(unmet)
        else:
            return
        self._workers.submit(self._pass)

    def _answer(self, taken: Sequence[_Waiting]) -> None:
        try:
            self._encoder.hear(list(dict.fromkeys(intent for intent, _, _ in taken)))
        except Exception as error:  # noqa: BLE001 - those who wait are told, each in their own thread
            for _, _, future in taken:
                future.set_exception(error)
            return
        for _, answer, future in taken:
            try:
                future.set_result(answer())
            except Exception as error:  # noqa: BLE001 - as above
                future.set_exception(error)

    def _prepare(self, tool: Tool) -> None:
        try:
            self._encoder.prepare([tool.page])
        except Exception as error:  # noqa: BLE001 - an intent that wants this tool will be told
            _log.warning("tool.not_read", extra={"tool": tool.name, "why": type(error).__name__})
