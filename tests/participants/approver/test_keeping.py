"""Rules are kept beside the event loop: a store that hangs or fails lets nothing through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from participants.approver import Effect, Rule, RuleBook, RulesNotKept, RuleStore
from participants.approver.keeping import Keeper


class Disk(RuleStore):
    """Keeps the number of rules of each book; hangs until it is let go, or fails."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.error: Exception | None = None
        self.let_go = threading.Event()
        self.let_go.set()
        self.begun = threading.Semaphore(0)

    def load(self) -> RuleBook:
        return RuleBook()

    def save(self, book: RuleBook) -> None:
        count = len(list(book))
        self.begun.release()
        self.let_go.wait(60)
        if self.error is not None:
            raise self.error
        self.kept.append(count)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.let_go.set()


def add(book: RuleBook) -> None:
    book.add(Rule("", Effect.DENY, "*", "*", "*", None, expires_at=10.0, max_uses=1), 0.0)


async def test_what_is_kept_is_the_book_as_it_is_when_its_turn_comes(disk: Disk) -> None:
    book = RuleBook()
    keeper = Keeper(disk, book, patience=30.0)
    disk.let_go.clear()
    add(book)
    first = asyncio.create_task(keeper.keep())
    assert await asyncio.to_thread(disk.begun.acquire, timeout=30)
    add(book)
    second = asyncio.create_task(keeper.keep())
    add(book)
    third = asyncio.create_task(keeper.keep())
    await asyncio.sleep(0)
    disk.let_go.set()
    await asyncio.gather(first, second, third)
    await keeper.close()

    assert disk.kept == [1, 3], "one after the other, and those that wait together"


async def test_a_store_that_hangs_is_not_waited_for_and_keeps_the_newest_in_the_end(disk: Disk) -> None:
    book = RuleBook()
    keeper = Keeper(disk, book, patience=0.01)
    disk.let_go.clear()
    for _ in range(3):
        add(book)
        with pytest.raises(RulesNotKept, match=r"within 0\.01 s"):
            await keeper.keep()
    disk.let_go.set()
    is_kept = False
    async with asyncio.timeout(30):
        while not is_kept:
            try:
                await keeper.keep()
                is_kept = True
            except RulesNotKept:
                continue  # a hundredth of a second is little
    await keeper.close()

    assert disk.kept[0] == 1
    assert disk.kept[-1] == 3


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyError(), RuntimeError("x")])
async def test_a_store_that_fails_says_so_to_who_asked(disk: Disk, error: Exception) -> None:
    keeper = Keeper(disk, RuleBook(), patience=30.0)
    disk.error = error
    with pytest.raises(RulesNotKept):
        await keeper.keep()
    disk.error = None
    await keeper.keep()
    await keeper.close()
