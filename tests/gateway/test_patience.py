"""A bound on time that is not set for what needs none."""

from __future__ import annotations

import asyncio

import pytest

from gateway.patience import within


async def answer(at_once: bool, *, turns: int = 3) -> str:
    for _ in range(0 if at_once else turns):
        await asyncio.sleep(0)
    return "here"


async def test_what_needs_no_time_is_answered_and_so_is_what_waits_a_little() -> None:
    assert await within(0.0, answer(at_once=True)) == "here"
    assert await within(10.0, answer(at_once=False)) == "here"


@pytest.mark.parametrize("waits", [False, True])
async def test_its_errors_are_its_own(waits: bool) -> None:
    async def fail() -> None:
        if waits:
            await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await within(10.0, fail())


async def test_what_takes_too_long_is_ended_and_may_clean_up_first() -> None:
    said: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("cleaned up")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await within(0.01, wait())

    assert said == ["cleaned up"]


async def test_whoever_is_cancelled_while_it_waits_is_told_so() -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    waiting = asyncio.create_task(within(60.0, wait()))
    async with asyncio.timeout(5):
        await begun.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
