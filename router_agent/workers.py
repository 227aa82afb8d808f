"""Threads that work for one owner; whoever ends the process does not wait for a model that is stuck."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
_Job = tuple["Future[Any]", Callable[[], Any]]


class Workers:
    """
    So many daemon threads, and the work that waits for them, in order.

    An executor of the standard library would be joined when the interpreter ends: a model that
    never answers would keep a router alive that was told to go.
    """

    def __init__(self, name: str, threads: int = 1) -> None:
        """`name` is what the threads are called."""
        self._waiting: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = threads
        for number in range(threads):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Have `work` called by the next thread that is free; a future cancelled until then is skipped."""
        future: Future[Result] = Future()
        self._waiting.put((future, work))
        return future

    def close(self) -> None:
        """Take no more: threads end after what was submitted, a stuck one with the process."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            future, work = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - whoever waits for the future is told
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, work, job  # a thread that waits keeps nothing alive
