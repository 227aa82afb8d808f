"""An event loop whose time jumps, whose order is drawn by a seed, and which knows whose process runs."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from enum import Enum
from random import Random
from typing import Any, Final


class Stuck(Exception):
    """More rounds than any history takes, or nothing left to wait for."""


class Life(Enum):
    """What a process is doing."""

    RUNNING = "running"
    FROZEN = "frozen"
    """Stopped by a signal: what should run there waits."""
    DEAD = "dead"
    """Killed: what should run there never does."""


class Process:
    """
    One simulated process: whatever runs in its context stops with it.

    Tasks, timers and callbacks inherit the context, so a kill needs nobody's
    help: no `finally` runs, nothing is said to anybody.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.life = Life.RUNNING
        self.waiting: list[Any] = []
        """What became due while it was frozen."""
        self.context: Final = copy_context()
        self.context.run(_RUNNING_IN.set, self)

    def __repr__(self) -> str:
        return self.name


_RUNNING_IN: Final[ContextVar[Process]] = ContextVar("_RUNNING_IN")


def current_process() -> Process | None:
    """Return whose code runs just now."""
    return _RUNNING_IN.get(None)


_loops: Final = itertools.count()


class _Task(asyncio.Task[Any]):
    """Sets of tasks are walked in the order of their making, not of their addresses."""

    number = 0
    process: Process | None = None
    """Whose it is."""

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimulatedLoop(asyncio.BaseEventLoop):
    """
    Time passes only when nobody has anything to do.

    What is ready in one round runs in an order that the seed draws. `Stuck` is
    raised after `max_rounds`.
    """

    def __init__(self, random: Random, *, max_rounds: int = 200_000) -> None:
        super().__init__()
        self._nth = next(_loops)
        self._now = 0.0
        self._random = random.random
        self._rounds_left = max_rounds
        self.tasks: list[_Task] = []
        """All that were ever made."""
        # What asyncio keeps in handles has no types.
        self._ready: deque[Any] = deque()
        self._scheduled: list[Any] = []
        self.outside: Final = copy_context()
        """The context of what belongs to no process."""
        self.connect: Callable[[Callable[[], asyncio.BaseProtocol]], Coroutine[Any, Any, Any]]
        """What opening a TCP connection does here."""
        self.mishaps: list[str] = []
        """What would have gone to the log: exceptions that nobody took."""
        self.set_exception_handler(self._note)
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]  # typeshed ties the callback to its arguments
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = events.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_outside(self, delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call something that belongs to no process."""
        return self.call_at(self._now + delay, callback, *args, context=self.outside)

    async def create_connection(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        return await self.connect(protocol_factory)

    def resume(self, process: Process) -> None:
        """Let a frozen process go on: all that became due meanwhile is due now."""
        process.life = Life.RUNNING
        waiting, process.waiting = process.waiting, []
        self._ready.extend(waiting)

    def _make_task(self, loop: Any, coroutine: Any, context: Context | None = None) -> asyncio.Task[Any]:
        task = _Task(coroutine, loop=loop, context=context)
        self.tasks.append(task)
        # asyncio keeps all tasks in one set, those of earlier loops too: their numbers must differ, and
        # in small sets only the low bits count.
        task.number = (self._nth << 32) + len(self.tasks)
        task.process = context.get(_RUNNING_IN) if context is not None else current_process()
        return task

    def _note(self, _: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.mishaps.append(f"{context.get('message')}: {error!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass  # dropped when its time comes

    def _run_once(self) -> None:
        self._rounds_left -= 1
        if self._rounds_left < 0:
            raise Stuck("this history does not come to an end")
        ready, scheduled = self._ready, self._scheduled
        if not ready:
            while scheduled and scheduled[0]._cancelled:
                heapq.heappop(scheduled)._scheduled = False
            if not scheduled:
                raise Stuck("everybody waits, and nothing will happen")
            self._now = max(self._now, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            if not handle._cancelled:
                ready.append(handle)
        batch = list(ready)
        ready.clear()
        draw = self._random
        for place in range(len(batch) - 1, 0, -1):
            other = int(draw() * (place + 1))
            batch[place], batch[other] = batch[other], batch[place]
        for handle in batch:
            if handle._cancelled:
                continue
            process = handle._context.get(_RUNNING_IN)
            if process is None or process.life is Life.RUNNING:
                handle._run()
            elif process.life is Life.FROZEN:
                process.waiting.append(handle)
