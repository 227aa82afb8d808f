"""An encoder on a thread of its own: intents that wait while it computes go into its next pass together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol, TypeVar

from router_agent.core import Encoder
from router_agent.models import Reading, ToolPage
from router_agent.workers import Workers

Answer = TypeVar("Answer")
_Waiting = tuple[str, Callable[[], Any], "Future[Any]"]


class HearingEncoder(Encoder, Protocol):
    """An encoder that reads several intents in one pass; for one thread at a time."""

    def hear(self, intents: Sequence[str]) -> None:
        """Read intents, so that questions about them cost no pass of their own."""
        ...


class BatchedEncoder(Encoder):
    """One encoder for many threads that route."""

    def __init__(self, encoder: HearingEncoder) -> None:
        """`encoder` is used by nobody else."""
        self._encoder = encoder
        self._workers = Workers("router-encoder")
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []

    def nearness(self, intent: str, texts: Sequence[str]) -> Sequence[float]:
        return self._answered(intent, partial(self._encoder.nearness, intent, texts))

    def read(self, intent: str, tools: Sequence[ToolPage]) -> Sequence[Reading]:
        return self._answered(intent, partial(self._encoder.read, intent, tools))

    def _answered(self, intent: str, answer: Callable[[], Answer]) -> Answer:
        """Wait for the answer to one question; blocks the thread that asks."""
        future: Future[Answer] = Future()
        with self._lock:
            self._waiting.append((intent, answer, future))
        self._workers.submit(self._pass)
        return future.result()

    def _pass(self) -> None:
        """Answer all that wait. Each question submits a pass: most find that an earlier one answered it."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        try:
            if taken:
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
