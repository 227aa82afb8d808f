"""The router's threads: routes are computed there, so that the event loop is never blocked, and kept."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from datetime import date
from functools import partial
from typing import Final

from router_agent.batching import BatchedEncoder
from router_agent.core import Answer, Catalogue, Policy, Route, Router
from router_agent.errors import IntentRefused
from router_agent.workers import Workers

ROUTES_REMEMBERED: Final = 1_024
WAITING: Final = 64
DEADLINE_S: Final = 10.0
THREADS: Final = 4
"""Routes under way at once: while one waits for a model, others go by words, or share the next pass."""

_Key = tuple[bytes, str, date, Policy]


class Thinker:
    """
    Computes routes in threads of its own, and remembers them.

    The same intent, with the same tools in view on the same day by the same policy, has the same
    route. One that lacks the answer of a model is not remembered: the model may be back soon.
    """

    def __init__(
        self,
        router: Router,
        *,
        encoder: BatchedEncoder | None = None,
        waiting: int = WAITING,
        deadline: float = DEADLINE_S,
        threads: int = THREADS,
    ) -> None:
        """
        `waiting` intents at most; `deadline` in seconds from asking to answer.

        `encoder` is the router's, if it has one: it meets tools ahead of the intents that want them.
        """
        self._encoder = encoder
        self._router, self._most, self._deadline = router, waiting, deadline
        self._workers = Workers("router", threads)
        self._running: dict[_Key, asyncio.Future[Route]] = {}
        self._known: OrderedDict[_Key, Route] = OrderedDict()

    def meet(self, catalogue: Catalogue) -> None:
        """Have the encoder read tools that came or changed; returns at once."""
        if self._encoder is not None:
            self._encoder.meet(catalogue)

    async def route(
        self, said: str, catalogue: Catalogue, today: date, answers: tuple[Answer, ...] = ()
    ) -> Route:
        """
        Return the route of an intent, with what its asker answered when asked back.

        Raises:
            IntentRefused: too many wait (`busy`), or it took too long (`deadline`).
        """
        asked = hashlib.sha256(repr((said, answers)).encode()).digest()
        key = asked, catalogue.version, today, self._router.policy
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        work = self._running.get(key)
        if work is None:
            if len(self._running) >= self._most:
                raise IntentRefused("busy", "Too many intents wait already; try again later.")
            work = asyncio.wrap_future(
                self._workers.submit(partial(self._router.route, said, catalogue, today, answers))
            )
            self._running[key] = work
            work.add_done_callback(partial(self._done, key))
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.shield(work)
        except TimeoutError:
            raise IntentRefused("deadline", "It took too long to find a tool for that.") from None

    def _done(self, key: _Key, work: asyncio.Future[Route]) -> None:
        del self._running[key]
        if work.cancelled() or work.exception() is not None or not work.result().is_whole:
            return
        self._known[key] = work.result()
        if len(self._known) > ROUTES_REMEMBERED:
            self._known.popitem(last=False)

    def close(self) -> None:
        """Take no more; what runs ends by itself."""
        self._workers.close()
