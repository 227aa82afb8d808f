"""
One server process: started with little, heard in full, ended with all that it started.

Between the bridge and the command stands the keeper (`keeper.py`), which ends
the command's whole tree when the bridge closes its lifeline, or dies.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from participants.bridge.errors import ChildNotStarted
from participants.bridge.keeper import TO_DIE_S, TO_HEED_SIGTERM_S, TO_READ_END_OF_INPUT_S
from participants.bridge.lines import NoMessage, encode_line, parse_line
from participants.bridge.log import log
from participants.bridge.stderr import StderrBudget

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""Bytes of one message from a server; a longer one ends it, for nobody could be sent that."""
LAST_WORDS: Final = 20
"""Lines of standard error kept for the one who has to find out why a server ended."""
_KEEPER: Final = Path(__file__).with_name("keeper.py")
_KEEPER_IS_DONE_S: Final = TO_READ_END_OF_INPUT_S + TO_HEED_SIGTERM_S + TO_DIE_S + 2.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ChildCommand:
    """What to start."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(hash=False)
    """The whole environment, see `child_environment`."""
    cwd: Path | None = None

    @property
    def name(self) -> str:
        """The command without its path and arguments, which may hold secrets."""
        return Path(self.argv[0]).name


class Child:
    """A running server: its messages in and out, and its end."""

    def __init__(self, process: Process, lifeline: int) -> None:
        self._process = process
        self._lifeline: int | None = lifeline
        from_child, self.read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        self.write, to_child = anyio.create_memory_object_stream[SessionMessage](0)
        self._from_child: MemoryObjectSendStream[SessionMessage | Exception] = from_child
        self._to_child: MemoryObjectReceiveStream[SessionMessage] = to_child
        self.last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self.ended = asyncio.Event()
        """Set when the server says, or hears, nothing any more; before anybody who waits for it learns so."""

    @property
    def pid(self) -> int:
        """Process id of the keeper, whose descendants are the server and what it started."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The server's exit status, 128 + N when signal N ended it; `None` while it runs."""
        return self._process.returncode

    async def hear(self) -> None:
        """Carry the server's messages to `read` while somebody reads, and drain its output to the end."""
        assert self._process.stdout is not None
        try:
            await self._hear_lines(self._process.stdout)
        finally:
            self._end()
        # A server busy writing cannot come to read that its input has ended.
        while await self._process.stdout.read(65536):
            pass

    async def _hear_lines(self, stdout: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stdout.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                log.exception("child.wrote_too_much", max_bytes=MAX_LINE_BYTES)
                return
            try:
                message = parse_line(line)
            except NoMessage as error:
                log.warning("child.wrote_no_message", why=str(error), bytes=len(line))
                continue
            try:
                await self._from_child.send(SessionMessage(message))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def tell(self) -> None:
        """Carry what is sent to `write` to the server until either side is done."""
        assert self._process.stdin is not None
        async with self._to_child as from_writer:
            async for item in from_writer:
                try:
                    self._process.stdin.write(encode_line(item.message))
                    await self._process.stdin.drain()
                except (BrokenPipeError, ConnectionResetError):
                    self._end()  # it may live on, but nobody can ask it anything
                    return

    def _end(self) -> None:
        self.ended.set()
        self._from_child.close()

    async def log_stderr(self) -> None:
        """Keep the end of what the server says on standard error, and log a bounded part of it."""
        assert self._process.stderr is not None
        budget = StderrBudget()
        loop = asyncio.get_running_loop()
        rest = b""
        while chunk := await self._process.stderr.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > budget.max_line:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._heard_stderr(line, budget, loop.time())
        if rest:
            self._heard_stderr(rest, budget, loop.time())

    def _heard_stderr(self, line: bytes, budget: StderrBudget, now: float) -> None:
        text = line[: budget.max_line].decode(errors="replace").rstrip()
        if not text:
            return
        self.last_words.append(text)
        allowed, left_out = budget.spend(now)
        if left_out:
            log.warning("child.stderr_left_out", lines=left_out)
        if allowed:
            log.info("child.wrote_stderr", line=text)

    async def wait(self) -> int:
        """Return the exit status when the server and all that it started are gone."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End the server: no more input, then SIGTERM, then SIGKILL, all of it by its keeper."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if not await self._ended_within(_KEEPER_IS_DONE_S):
            log.error("child.not_ended_by_keeper", pid=self.pid)
            self._kill_group()
            await self._ended_within(TO_DIE_S)
        if (self._process.returncode or 0) < 0:
            self._kill_group()  # somebody killed the keeper, and its orphans are nobody's now

    async def _ended_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


@asynccontextmanager
async def running(command: ChildCommand) -> AsyncGenerator[Child]:
    """
    Run a server for as long as the block lasts; afterwards nothing of it is left.

    Raises:
        ChildNotStarted: there is no such command, or it may not be run.
    """
    child = await _start(command)
    pumps = [
        asyncio.create_task(pump, name=f"bridge.{name}")
        for name, pump in (("hear", child.hear()), ("tell", child.tell()), ("stderr", child.log_stderr()))
    ]
    try:
        yield child
    finally:
        await _to_its_end(_finish(child, pumps))


async def _start(command: ChildCommand) -> Child:
    # A name with a slash in it is looked for where the server runs, not where the bridge does.
    program = command.argv[0] if "/" not in command.argv[0] else Path(command.cwd or "", command.argv[0])
    if shutil.which(program, path=command.env.get("PATH", os.defpath)) is None:
        raise ChildNotStarted(command.name, "there is no such command")
    lifeline_of_keeper, lifeline = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(_KEEPER),
            str(lifeline_of_keeper),
            *command.argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=dict(command.env),
            cwd=command.cwd,
            # Ctrl-C in the terminal reaches the bridge alone, which then ends the server in good order.
            start_new_session=True,
            pass_fds=(lifeline_of_keeper,),
            limit=MAX_LINE_BYTES,
        )
    except BaseException as error:
        os.close(lifeline)
        if isinstance(error, OSError):
            raise ChildNotStarted(command.name, str(error.strerror)) from error
        raise
    finally:
        os.close(lifeline_of_keeper)
    return Child(process, lifeline)


async def _finish(child: Child, pumps: list[asyncio.Task[None]]) -> None:
    child.read.close()
    child.write.close()
    await child.stop()
    for pump in pumps:
        pump.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)


async def _to_its_end(work: Coroutine[Any, Any, _T]) -> _T:
    """
    Await `work` whatever cancels the caller meanwhile, then let the cancellation go on.

    An anyio scope cancels again at every await, asyncio once at any: neither may
    leave a process behind.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()
