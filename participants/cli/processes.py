"""A child process that never outlives its parent, and that takes its own children along."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from participants.cli.errors import CommandError

END_WITHIN_S: Final = 5.0
"""Seconds from SIGTERM to SIGKILL."""

_PR_SET_PDEATHSIG: Final = 1


class ChildProcess:
    """One child in a process group of its own: a Ctrl-C in the terminal reaches the parent alone."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log
        """Where its standard output and error go."""

    @classmethod
    async def start(cls, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> ChildProcess:
        """
        Start a command with standard input closed and its words in `log`.

        Raises:
            CommandError: it cannot be started.
        """
        try:
            with log.open("wb") as words:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    env=env,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=words,
                    stderr=words,
                    start_new_session=True,
                    preexec_fn=_dying_with(os.getpid()),
                )
        except OSError as error:
            raise CommandError(f"{command[0]} cannot be started", why=error.strerror or str(error)) from error
        return cls(process, log)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._process.pid

    async def wait(self) -> int:
        """Return its exit status once it has ended."""
        return await self._process.wait()

    async def end(self) -> int:
        """SIGTERM, then SIGKILL for it and all that is left of its group; return its exit status."""
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(END_WITHIN_S):
                    await self._process.wait()
        self._signal(signal.SIGKILL)
        return await self._process.wait()

    def last_words(self, lines: int = 12) -> str:
        """Return the end of its log."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _signal(self, number: signal.Signals) -> None:
        # The group outlives its leader, so this also meets what the leader left behind.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _dying_with(parent: int) -> Callable[[], None] | None:
    """Return what a child does between fork and exec: ask the kernel to end it when its parent is gone."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: little is allowed between fork and exec

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask
