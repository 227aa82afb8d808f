"""A stream with its silences: what comes, and that nothing came for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

Item = TypeVar("Item")


async def with_silences(
    stream: AsyncIterator[Item], patience: Callable[[], float | None]
) -> AsyncGenerator[Item | None]:
    """
    Yield what a stream yields, and `None` each time that it is silent for long.

    `patience` returns in how many seconds the next silence is told, or `None` for never. Nothing
    that comes is lost by telling one. The stream is left open: its owner closes it.
    """
    upcoming: asyncio.Task[Item] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(_next(stream))
            done, _ = await asyncio.wait({upcoming}, timeout=patience())
            if not done:
                yield None
                continue
            finished, upcoming = upcoming, None
            try:
                item = finished.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.wait({upcoming})


async def _next(stream: AsyncIterator[Item]) -> Item:
    return await anext(stream)
