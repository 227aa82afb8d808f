"""The router's thread: routes are computed there one by one, so that the event loop is never blocked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Final

from router_agent.core import Catalogue, Route, Router
from router_agent.errors import IntentRefused

ROUTES_REMEMBERED: Final = 1_024
WAITING: Final = 64
DEADLINE_S: Final = 10.0


class Thinker:
    """
    Computes routes in a thread of its own, and remembers them.

    The same intent, with the same tools in view on the same day, has the same route. A model is
    for one thread; llama.cpp and numpy leave the interpreter to others while they compute.
    """

    def __init__(self, router: Router, *, waiting: int = WAITING, deadline: float = DEADLINE_S) -> None:
        """`waiting` intents at most; `deadline` in seconds from asking to answer."""
        self._router, self._most, self._deadline = router, waiting, deadline
        self._thread = ThreadPoolExecutor(1, "router")
        self._waiting = 0
        self._known: OrderedDict[tuple[str, str, date], Route] = OrderedDict()

    async def route(self, said: str, catalogue: Catalogue, today: date) -> Route:
        """
        Return the route of an intent.

        Raises:
            IntentRefused: too many wait (`busy`), or it took too long (`deadline`).
        """
        key = (said, catalogue.version, today)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        if self._waiting >= self._most:
            raise IntentRefused("busy", "Too many intents wait already; try again later.")
        self._waiting += 1
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, self._router.route, said, catalogue, today
        )
        work.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._deadline):
                route = await asyncio.shield(work)
        except TimeoutError:
            raise IntentRefused("deadline", "It took too long to find a tool for that.") from None
        self._known[key] = route
        if len(self._known) > ROUTES_REMEMBERED:
            self._known.popitem(last=False)
        return route

    def _done(self, work: asyncio.Future[Route]) -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # looked at, so that nobody reports it as forgotten

    def close(self) -> None:
        """Take no more; what runs ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)
