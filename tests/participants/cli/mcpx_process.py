"""`mcpx` as a process of its own, as people run it: started, spoken to, and shown to leave nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tests.gateway_process import bare_environment
from tests.participants.cli.conftest import Ran

WITHIN_S: Final = 60.0
"""Starting Python with everything takes seconds on a busy machine."""


class McpxProcess:
    """One running `mcpx`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.lines: list[str] = []
        """What it wrote to standard output so far, as far as it was read."""

    async def write(self, line: str) -> None:
        """Write one line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def say(self, **command: Any) -> None:
        """Write one JSON command."""
        await self.write(json.dumps(command))

    async def read_line(self) -> str:
        """Return the next line of standard output."""
        assert self._process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            line = (await self._process.stdout.readline()).decode()
        assert line, f"it ended; it had said {self.lines}"
        self.lines.append(line)
        return line

    async def read_until(self, text: str) -> str:
        """Return the next line of standard output that holds `text`."""
        while text not in (line := await self.read_line()):
            pass
        return line

    async def read_error_until(self, text: str) -> str:
        """Return the next line of standard error that holds `text`; those before it are gone."""
        assert self._process.stderr is not None
        async with asyncio.timeout(WITHIN_S):
            while text not in (line := (await self._process.stderr.readline()).decode()):
                assert line, "it ended"
        return line

    async def event(self, name: str, **facts: Any) -> dict[str, Any]:
        """Return the next JSON line that is this event and has these members."""
        while True:
            value: dict[str, Any] = json.loads(await self.read_line())
            if value.get("event") == name and all(value.get(key) == fact for key, fact in facts.items()):
                return value

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, as a terminal or a supervisor does."""
        self._process.send_signal(number)

    async def end(self, stdin: str | bytes | None = None) -> Ran:
        """Close its input, and return how it ended with the rest of what it wrote."""
        typed = stdin.encode() if isinstance(stdin, str) else stdin
        async with asyncio.timeout(WITHIN_S):
            out, err = await self._process.communicate(typed)
        assert self._process.returncode is not None
        return Ran(self._process.returncode, "".join(self.lines) + out.decode(), err.decode())

    async def wait(self) -> int:
        """Return its exit status."""
        async with asyncio.timeout(WITHIN_S):
            return await self._process.wait()


@asynccontextmanager
async def mcpx_process(
    *arguments: str, env: Mapping[str, str], cwd: Path | None = None
) -> AsyncIterator[McpxProcess]:
    """Run `mcpx ARGUMENTS…` while the block runs; `env` is all that it sees of MCPX_*."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "participants.cli",
        *arguments,
        env={**bare_environment(), "NO_COLOR": "1", "COLUMNS": "200", **env},
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield McpxProcess(process)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            async with asyncio.timeout(WITHIN_S):
                await process.communicate()


async def run_mcpx(*arguments: str, env: Mapping[str, str], stdin: str = "") -> Ran:
    """Run `mcpx ARGUMENTS…` to its end."""
    async with mcpx_process(*arguments, env=env) as process:
        return await process.end(stdin)


def processes_with(marker: str) -> list[str]:
    """
    The living processes that carry `marker` in their environment or command line, as `PID: COMMAND`.

    A marker in the environment is inherited: it finds grandchildren too, also
    those that left their session or their group.
    """
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or directory.name == str(os.getpid()):
            continue
        with suppress(OSError):
            command = (directory / "cmdline").read_bytes()
            if marker.encode() in (directory / "environ").read_bytes() or marker.encode() in command:
                found.append(f"{directory.name}: {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found
