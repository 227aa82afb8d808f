"""Experts asked beside each other: so many at once, and none waited for beyond a deadline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import wait
from typing import Final

from router_agent.core import Plan
from router_agent.workers import Workers

AT_ONCE: Final = 2
WITHIN_S: Final = 6.0


class BesideEachOther:
    """How a mixture of experts asks them; threads are its semaphore. For `Experts.together`."""

    def __init__(self, at_once: int = AT_ONCE, within: float = WITHIN_S) -> None:
        """`within` in seconds, for all of them together."""
        self._workers, self._within = Workers("router-expert", at_once), within

    def __call__(self, asked: Sequence[Callable[[], Plan]]) -> Sequence[Plan | None]:
        """Return each expert's plan in order, `None` for one that is late; what one raises is raised."""
        works = [self._workers.submit(plan) for plan in asked]
        wait(works, self._within)
        # Cancelled, one that waits still is skipped; one that runs is left to end by itself.
        return [None if work.cancel() or not work.done() else work.result() for work in works]
