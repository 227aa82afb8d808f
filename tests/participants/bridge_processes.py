"""Processes of a bridged server, looked at from outside."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does, which sends no event; the caller bounds it."""
    while not condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)


async def wait_all_gone(pids: list[int]) -> None:
    """Return when none of the processes runs any more; the caller bounds it."""
    await until(lambda: not any(is_alive(pid) for pid in pids))


@contextmanager
def killed_afterwards(pids: list[int]) -> Iterator[None]:
    """Leave nothing behind even where a test finds that something is left."""
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
