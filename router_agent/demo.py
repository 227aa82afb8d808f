"""
The demonstration `mcpx run --demo router`: eight MCP servers for everyday domains, and a router.

Everything works without a network, on sample data in a folder of its own, which the first
start fills and later ones find as it was left.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import mailbox
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from participants import Participant
from router_agent.agent import RouterAgent
from router_agent.errors import DemoUnavailable
from router_agent.opening import open_router
from router_agent.thinking import Thinker

_log: Final = logging.getLogger(__name__)

TOOLS_WITHIN_S: Final = 30.0
"""Seconds until the tools of all servers are known; one that tells none is done without."""
SENDER: Final = "you@mcpx.example"
NEEDED: Final = {"aiosmtpd": "aiosmtpd", "icalendar": "icalendar", "mcp_server_git": "mcp-server-git"}
"""Modules, and the packages that bring them."""


class RouterDemo:
    """What `mcpx run --demo router` starts, in one folder."""

    name = "router"
    capabilities = (
        "mcp/request:tools/list",
        "mcp/request:tools/call",
        "mcp/proposal:tools/call",
        "mcp/response:*",
        "chat",
    )
    hints = (
        "@router check the weather in San Francisco, and if it is nice, search for outdoor scripts",
        "@router show the git status of ./notes",
        "@router query the database for users where age is more than 25",
        "@router search the web for AI news",
    )

    def __init__(self, workspace: Path) -> None:
        """
        Fill the folder with sample data where there is none.

        Raises:
            DemoUnavailable: a package or a program that it needs is not installed.
        """
        missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
        if missing:
            raise DemoUnavailable(f"{', '.join(missing)} missing; pip install 'mcpx-gateway[router-demo]'")
        if shutil.which("git") is None:
            raise DemoUnavailable("git is not installed")
        fill(workspace)
        notes = workspace / "notes"
        self.servers = {
            "files": _command("router_agent.domains.files", "--folder", notes),
            "git": _command("mcp_server_git", "--repository", notes),
            "database": _command("router_agent.domains.database", "--database", workspace / "records.db"),
            "calendar": _command("router_agent.domains.agenda", "--calendar", workspace / "calendar.ics"),
            "mail": _command(
                "router_agent.domains.mail", "--maildir", workspace / "mail", "--sender", SENDER
            ),
            "web": _command("router_agent.domains.pages", "--folder", workspace / "pages"),
            "weather": _command("router_agent.domains.weather"),
            "scripts": _command("router_agent.domains.scripts", "--folder", workspace / "scripts"),
        }

    async def play(self, me: Participant, ready: Callable[[], None]) -> None:
        """Route intents until the connection ends; `ready` is called once the servers' tools are known."""
        # By words and rules alone: it needs no model, and does the same everywhere.
        thinker = Thinker(open_router())
        agent = RouterAgent(me, thinker)
        try:
            async with me:
                running = asyncio.create_task(agent.run(), name="demo.router")
                try:
                    await self._wait_offered(agent)
                    ready()
                    await running
                finally:
                    running.cancel()
                    await asyncio.wait({running})
        finally:
            thinker.close()

    async def _wait_offered(self, agent: RouterAgent) -> None:
        try:
            async with asyncio.timeout(TOOLS_WITHIN_S):
                await agent.wait_offered(*self.servers)
        except TimeoutError:
            silent = ", ".join(name for name in self.servers if name not in agent.directory)
            _log.warning("demo.incomplete", extra={"silent": silent})


def _command(module: str, *arguments: str | Path) -> tuple[str, ...]:
    # -P: a file of that name in the working directory is not the server.
    return (sys.executable, "-P", "-m", module, *map(str, arguments))


def fill(workspace: Path) -> None:
    """Put the sample data into a folder, each part only where it is not there yet, and whole."""
    parts: dict[str, Callable[[Path, Path], object]] = {
        "pages": _copy,
        "scripts": _copy,
        "calendar.ics": shutil.copy,
        "notes": _copy_as_repository,
        "records.db": _make_database,
        "mail": _make_maildir,
    }
    with as_file(files("router_agent.domains").joinpath("sample")) as sample:
        for name, make in parts.items():
            if (workspace / name).exists():
                continue
            fresh = workspace / f"{name}.new"  # of a start that is broken off no half is taken for the whole
            if fresh.is_dir():
                shutil.rmtree(fresh)
            fresh.unlink(missing_ok=True)
            make(sample / name, fresh)
            fresh.rename(workspace / name)


def _copy(sample: Path, folder: Path) -> None:
    shutil.copytree(sample, folder, ignore=shutil.ignore_patterns("__pycache__"))


def _copy_as_repository(sample: Path, folder: Path) -> None:
    """Commit what is in a folder, and stage one change more, so that there is something to commit."""
    from git import Repo

    _copy(sample, folder)
    with Repo.init(folder, initial_branch="main") as repository:
        with repository.config_writer() as config:
            config.set_value("user", "name", "mcpx demonstration")
            config.set_value("user", "email", "demonstration@mcpx.invalid")
        repository.index.add(["readme.md", "todo.md"])
        repository.index.commit("Begin", skip_hooks=True)
        repository.index.add(["plans/hike.md"])


def _make_database(sample: Path, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(sample.with_suffix(".sql").read_text())


def _make_maildir(sample: Path, folder: Path) -> None:
    box = mailbox.Maildir(folder, create=True)
    for letter in sorted(sample.glob("*.eml")):
        box.add(letter.read_bytes())
