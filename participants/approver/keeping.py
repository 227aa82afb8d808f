"""Keeping a book of rules beside the event loop: a disk that hangs holds up only who needs it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from participants.approver.book import RuleBook
from participants.approver.errors import RulesNotKept
from participants.approver.store import RuleStore

_log = logging.getLogger(__name__)


class Keeper:
    """
    Saves a book in a thread, one state after the other; who asks meanwhile shares the next.

    The thread is a daemon: one that never comes back does not keep the process.
    """

    def __init__(self, store: RuleStore, book: RuleBook, patience: float) -> None:
        """`patience`: seconds until what is not kept counts as lost."""
        self._store, self._book, self._patience = store, book, patience
        self._turn = asyncio.Lock()
        self._upcoming: asyncio.Task[None] | None = None
        """It has not looked at the book yet."""
        self._saving: set[asyncio.Task[None]] = set()

    async def keep(self) -> None:
        """
        Return when the book, as it is now or later, is kept.

        Raises:
            RulesNotKept: the store failed, or did not say in time; it may be kept later all the same.
        """
        upcoming = self._upcoming
        if upcoming is None:
            upcoming = self._upcoming = asyncio.create_task(self._save(), name="approver.keep")
            self._saving.add(upcoming)
            upcoming.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(upcoming)
        except TimeoutError:
            raise RulesNotKept(f"the store did not answer within {self._patience:g} s") from None
        except Exception as error:
            raise RulesNotKept(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Wait for nothing more."""
        saving = list(self._saving)
        for task in saving:
            task.cancel()
        await asyncio.gather(*saving, return_exceptions=True)

    async def _save(self) -> None:
        async with self._turn:
            self._upcoming = None
            book = self._book.copy()
            await _aside(lambda: self._store.save(book))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._saving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("rules.not_kept", extra={"why": str(error)})


def _aside(work: Callable[[], None]) -> asyncio.Future[None]:
    """Run what may block for ever in a thread of its own."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: Exception | None) -> None:
        if done.done():
            return  # nobody waits any more
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        failure: Exception | None = None
        try:
            work()
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
            failure = error
        try:
            loop.call_soon_threadsafe(tell, failure)
        except RuntimeError:
            return  # the loop has ended meanwhile

    threading.Thread(target=run, name="approver.store", daemon=True).start()
    return done
