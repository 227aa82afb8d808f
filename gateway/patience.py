"""A bound on how long something may take, that costs nothing where it takes no time at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def within(seconds: float, work: Coroutine[Any, Any, _T]) -> _T:
    """
    Return what `work` returns; no timer is set unless it has to wait.

    Raises:
        TimeoutError: it took longer.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as end:
        result: _T = end.value
        return result
    async with asyncio.timeout(seconds):
        return await _rest(work, waits_for)


@coroutine
def _rest(work: Coroutine[Any, Any, _T], waits_for: Any) -> Generator[Any, None, _T]:
    """Go on with what waits already."""
    while True:
        go_on: Callable[[], Any] = partial(work.send, None)
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001  # the work's to deal with, whatever it is
            go_on = partial(work.throw, error)
        try:
            waits_for = go_on()
        except StopIteration as end:
            result: _T = end.value
            return result
