"""
An MCP server for the Python scripts of one folder: search, load, run.

    python -m router_agent.domains.scripts --folder scripts

Running is guarded: only a script that lies in the folder, never a shell, with a bounded time,
bounded output and an environment without secrets. It is no sandbox: a script may do whatever
the user may who started this server, so put no stranger's script there.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import os
import signal
import sys
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from typing_extensions import TypedDict

from router_agent.domains.finding import Text, best_of
from router_agent.domains.folder import Folder
from router_agent.domains.hints import READS, RUNS

MOST_SCRIPTS: Final = 500
RUN_WITHIN_S: Final = 10.0
ENDED_WITHIN_S: Final = 2.0
MOST_OUTPUT: Final = 16 * 1024
"""Bytes of what a script says; one that says more is ended."""
MOST_AT_ONCE: Final = 4
"""Scripts that run at once; further ones wait."""

Name = Annotated[str, Field(description="Name of the script, such as 'plan_hike'", max_length=200)]


class Hit(TypedDict):
    """One script that was found."""

    name: str
    purpose: str


class Ran(TypedDict):
    """How a run ended."""

    name: str
    exit_status: int
    output: str
    """What it wrote to standard output and error."""


class ScriptFolder:
    """The scripts of a folder, by their names: `plan_hike` is `plan_hike.py`."""

    def __init__(self, folder: Folder, *, within_s: float = RUN_WITHIN_S) -> None:
        """A run that takes longer than `within_s` seconds is ended."""
        self._folder, self._within_s = folder, within_s
        self._running = asyncio.Semaphore(MOST_AT_ONCE)

    def texts(self) -> list[Text]:
        """Return the scripts as texts that can be searched; the title says what one is for."""
        found = []
        for path in islice(self._folder.files(suffix=".py"), MOST_SCRIPTS):
            name = self._folder.name_of(path).removesuffix(".py")
            with suppress(ToolError):
                text = self._folder.read(f"{name}.py")
                found.append(Text(name, _purpose(text), f"{name.replace('_', ' ')} {text}"))
        return found

    def path(self, name: str) -> Path:
        """
        Return the path of a script.

        Raises:
            ToolError: there is none of that name in the folder.
        """
        path = self._folder.inside(f"{name.removesuffix('.py')}.py")
        if not path.is_file():
            raise ToolError(f"There is no script '{name[:200]}'")
        return path

    def load(self, name: str) -> str:
        """Return the text of a script."""
        return self._folder.read(self._folder.name_of(self.path(name)))

    async def run(self, name: str, arguments: list[str]) -> Ran:
        """
        Run a script and return how it ended.

        Raises:
            ToolError: there is no such script, or it took too long.
        """
        path = self.path(name)
        async with self._running:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(path), *arguments),
                cwd=self._folder.path,
                env={name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                process_group=0,
            )
            try:
                async with asyncio.timeout(self._within_s):
                    output = await _read_bounded(process)
                    if len(output) <= MOST_OUTPUT:
                        await process.wait()
            except TimeoutError:
                raise ToolError(f"{name} did not end within {self._within_s:g} s, and was ended") from None
            finally:
                await _end(process)
        said = output[:MOST_OUTPUT].decode(errors="replace")
        if len(output) > MOST_OUTPUT:
            said = f"{said}… (it said more, and was ended)"
        status = process.returncode
        return {"name": name, "exit_status": -signal.SIGKILL if status is None else status, "output": said}


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a script and its group; what left the group and holds the output open is not waited for."""
    assert process.stdout is not None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(ENDED_WITHIN_S):
            # asyncio calls a process ended once its output is read to the end.
            while await process.stdout.read(MOST_OUTPUT):
                pass
            await process.wait()


async def _read_bounded(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    output = b""
    while len(output) <= MOST_OUTPUT and (chunk := await process.stdout.read(MOST_OUTPUT)):
        output += chunk
    return output


def _purpose(text: str) -> str:
    """Return the first line of a script's docstring, else nothing."""
    try:
        return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    except (SyntaxError, ValueError, RecursionError):
        return ""


def scripts_server(scripts: ScriptFolder) -> MCPServer:
    """Return the server for one folder of scripts."""
    server = MCPServer("scripts", instructions="Python scripts of one project, to be found, read and run.")

    @server.tool(annotations=READS)
    def search_scripts(
        query: Annotated[str, Field(description="What the scripts are about", min_length=1, max_length=400)],
    ) -> list[Hit]:
        """Search for scripts in the project."""
        return [{"name": one.key, "purpose": one.title} for one in best_of(scripts.texts(), query, 20)]

    @server.tool(annotations=READS)
    def load_script(script_name: Name) -> str:
        """Load the source of a script."""
        return scripts.load(script_name)

    @server.tool(annotations=RUNS)
    async def run_script(
        script_name: Name,
        arguments: Annotated[
            list[Annotated[str, Field(max_length=1000)]],
            Field(description="Command-line arguments in quotes", max_length=20),
        ] = [],  # noqa: B006 - the schema's default; never changed
    ) -> Ran:
        """Run a script."""
        return await scripts.run(script_name, arguments)

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the Python scripts of one folder over MCP.")
    parser.add_argument("--folder", type=Path, required=True)
    scripts_server(ScriptFolder(Folder(parser.parse_args().folder))).run()
