"""Handlers of what comes in: so many at once, so many waiting, and no more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine


class Workers:
    """
    Runs coroutines in the order in which they were offered, at most `concurrency` at a time.

    What runs here catches its own errors: one that escapes ends only its own task,
    and is raised by `end`.
    """

    def __init__(self, concurrency: int, waiting: int) -> None:
        self.resize(concurrency, waiting)
        self._waiting: deque[Callable[[], Coroutine[None, None, None]]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._errors: list[BaseException] = []

    def resize(self, concurrency: int, waiting: int) -> None:
        """
        Change the limits for what is offered from now on.

        Raises:
            ValueError: nothing could ever run.
        """
        if concurrency < 1 or waiting < 0:
            raise ValueError("concurrency is at least 1, waiting at least 0")
        self._concurrency, self._limit = concurrency, waiting

    def offer(self, work: Callable[[], Coroutine[None, None, None]]) -> bool:
        """Run `work` now or later; `False`: too many wait already."""
        if len(self._running) < self._concurrency:
            self._start(work)
            return True
        if len(self._waiting) >= self._limit:
            return False
        self._waiting.append(work)
        return True

    def _start(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        task = asyncio.get_running_loop().create_task(work())
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._errors.append(error)
        if self._waiting:
            self._start(self._waiting.popleft())

    async def end(self) -> None:
        """
        Cancel what runs, forget what waits.

        Raises:
            BaseException: the first error that escaped from what ran here.
        """
        self._waiting.clear()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._errors:
            raise self._errors[0]
