"""Work that belongs together: it ends with the first that ends, or with a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final

from participants.cli.errors import ExitCode

_ENDINGS: Final = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.OK,
    signal.SIGHUP: ExitCode.OK,
}


async def until_first_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends; then the others are cancelled, and its error is raised if it had one."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def until_told(work: Coroutine[Any, Any, None]) -> ExitCode:
    """
    Run until the work ends by itself, or a signal asks for the end; return how to exit.

    A signal cancels the work once. Later ones change nothing: what must be
    cleaned up has its own time limits.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    told: list[ExitCode] = []

    def tell(code: ExitCode) -> None:
        if not told:
            told.append(code)
            task.cancel()

    # What is ignored stays so: `nohup` means it.
    heeded = {number: code for number, code in _ENDINGS.items() if signal.getsignal(number) != signal.SIG_IGN}
    for number, code in heeded.items():
        loop.add_signal_handler(number, tell, code)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    return told[0] if told else ExitCode.OK
