"""`mcpx run`: everything on this machine, to see it work."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import importlib.util
import os
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from participants.cli.access import JsonOption
from participants.cli.admin_client import operator_id
from participants.cli.console import put, put_json, say
from participants.cli.errors import CommandError, UsageRefused
from participants.cli.state import make_state_directory, state_directory
from schemas import JsonObject, NameRefused, check_participant_id, check_topic

if TYPE_CHECKING:
    from participants.cli.main_job import Cast, Scene
    from participants.cli.workspace import Errand

DEFAULT_PORT: Final = 8080
AGENT: Final = "demo-agent"


class Server(StrEnum):
    """The MCP servers that the demonstration knows how to show."""

    GIT = "git"
    FILESYSTEM = "filesystem"


def run(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND…]", help="Bridge this MCP server, without an agent."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            envvar="MCPX_PORT",
            min=1,
            max=65535,
            help="Where to listen.",
            show_default="8080, else a free one",
        ),
    ] = None,
    server: Annotated[Server, typer.Option("--server", help="What the agent asks for help.")] = Server.GIT,
    demo: Annotated[
        str | None,
        typer.Option(
            "--demo", metavar="NAME", help="Play another demonstration: router.", show_default=False
        ),
    ] = None,
    topic: Annotated[str, typer.Option("--topic", "-t", help="The topic.")] = "demo",
    name: Annotated[
        str | None, typer.Option("--name", help="Who you are there.", show_default="your login name")
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace", help="The folder that is worked on.", show_default="in the state directory"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """
    Start a gateway, an MCP server and a demonstration agent, and print the link to join them.

    The agent may propose, and no more. Open the link, decide on what it proposes,
    then promote it with the command that is printed. Ctrl-C ends all of it. With
    --demo router there are eight MCP servers, and a router that you tell in plain
    words what you want.

    [bold]Examples[/bold]

      mcpx run
      mcpx run --server filesystem --port 9000
      mcpx run --demo router
      mcpx run -- npx -y @modelcontextprotocol/server-everything
    """
    began = time.monotonic()
    if demo is not None and command:
        raise UsageRefused("--demo brings its own servers", do="Leave out what stands after the two dashes")
    person = name or operator_id().removeprefix("operator-")
    try:
        check_topic(topic)
        check_participant_id(person)
    except NameRefused as error:
        raise UsageRefused(str(error)) from error
    directory = make_state_directory(state_directory(os.environ)).resolve()
    with _only_one(directory):
        from participants.cli.keys import require_keys
        from participants.cli.logs import log_to
        from participants.cli.main_job import MainJob
        from participants.cli.tasks import until_told

        keys = require_keys(os.environ, make=True)
        log_to(level="warning")
        if demo is not None:
            cast = _demo_cast(demo, topic, person, workspace or directory / f"{demo}-demo")
        else:
            cast = _cast(command or [], server, topic, person, workspace or directory / "workspace")
        job = MainJob(cast, keys, directory, _choose_port(port))

        def announce(scene: Scene) -> None:
            if as_json:
                put_json(_facts(scene))
            else:
                _announce(scene, time.monotonic() - began)

        code = asyncio.run(until_told(job.run(announce)))
    say("Ended.")
    raise typer.Exit(code)


def _cast(command: list[str], server: Server, topic: str, person: str, workspace: Path) -> Cast:
    from participants.cli.main_job import Cast
    from participants.cli.workspace import CommitErrand, WriteErrand, prepare_repository

    errand: Errand | None = None
    folder = prepare_repository(workspace)
    if command:
        name = "server"
    elif server is Server.GIT:
        name, errand = "git", CommitErrand(folder)
        if importlib.util.find_spec("mcp_server_git") is None:
            raise CommandError(
                "mcp-server-git is not installed",
                why="The demonstration bridges it",
                do="pip install 'mcpx-gateway[demo]'; or bring a server of your own: `mcpx run -- COMMAND`",
            )
        command = [sys.executable, "-P", "-m", "mcp_server_git", "--repository", str(folder)]
    else:
        name, errand = "files", WriteErrand(folder)
        if shutil.which("npx") is None:
            raise CommandError(
                "npx is not installed",
                why="The filesystem server is a Node.js package",
                do="Leave out --server filesystem",
            )
        command = ["npx", "-y", "@modelcontextprotocol/server-filesystem", str(folder)]
    return Cast(topic, person, AGENT, {name: command}, folder, errand)


def _demo_cast(name: str, topic: str, person: str, workspace: Path) -> Cast:
    from participants.cli.demos import load_demo
    from participants.cli.main_job import Cast

    try:
        workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        demo = load_demo(name, workspace.resolve())
    except OSError as error:
        raise CommandError(f"The workspace {workspace} cannot be made", why=str(error)) from error
    if person in {demo.name, *demo.servers}:
        raise UsageRefused(
            f"{person} takes part already: it is one of the {name} demonstration", do="Choose a --name"
        )
    return Cast(topic, person, AGENT, demo.servers, workspace.resolve(), demo=demo)


@contextmanager
def _only_one(directory: Path) -> Generator[None]:
    """Hold the state directory: two gateways in one would each forget what the other wrote."""
    with (directory / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError(
                f"`mcpx run` is running already in {directory}",
                do="End that one, or give this one a state directory of its own in MCPX_STATE_DIR",
            ) from error
        yield


def _choose_port(asked: int | None) -> int:
    if asked is not None:
        if not _is_free(asked):
            raise CommandError(
                f"Port {asked} is taken",
                why="Another program listens there",
                do="Choose another one, or leave out --port",
            )
        return asked
    return DEFAULT_PORT if _is_free(DEFAULT_PORT) else _free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def promotion_of(scene: Scene, *, back: bool = False) -> list[str]:
    """The command line that promotes the agent, or takes that back, as it can be typed here."""
    cast = scene.cast
    assert cast.errand is not None
    change = "--remove" if back else "--add"
    reason = "enough for now" if back else "it asked well"
    line = [*_own_name(), "promote", cast.agent, change, f"mcp/request:tools/call:{cast.errand.tool}"]
    line += ["--topic", cast.topic, "--reason", reason]
    if scene.address.authority != f"127.0.0.1:{DEFAULT_PORT}" or "MCPX_URL" in os.environ:
        line += ["--url", scene.address.http_url]
    return line


def _own_name() -> list[str]:
    """How this command can be called from the same shell."""
    script = Path(sys.argv[0])
    if script.name != "mcpx":
        return [sys.executable, "-m", "participants.cli"]
    return ["mcpx"] if shutil.which("mcpx") == str(script) else [str(script)]


def _typed(line: list[str]) -> str:
    variables = [
        f"{name}={shlex.quote(os.environ[name])}"
        for name in ("MCPX_STATE_DIR", "XDG_STATE_HOME", "MCPX_JWT_KEY_FILE")
        if name in os.environ
    ]
    return " ".join([*variables, shlex.join(line)])


def _facts(scene: Scene) -> JsonObject:
    cast = scene.cast
    return {
        "link": scene.link,
        "url": scene.address.http_url,
        "topic": cast.topic,
        "person": cast.person,
        "agent": None if cast.errand is None else cast.agent,
        "server": next(iter(cast.servers)),
        "servers": list(cast.servers),
        "workspace": str(cast.workspace),
        "log": str(scene.log),
        "gateway_pid": scene.gateway_pid,
        "promote": None if cast.errand is None else promotion_of(scene),
        "demote": None if cast.errand is None else promotion_of(scene, back=True),
        "hints": [] if cast.demo is None else list(cast.demo.hints),
    }


def _announce(scene: Scene, seconds: float) -> None:
    cast = scene.cast
    say((f"\nReady in {seconds:.1f} s. Open this in your browser:\n", "bold green"))
    put(f"  {scene.link}")
    rows = [("Files", str(cast.workspace)), ("Log", str(scene.log))]
    if cast.demo is not None:
        rows.insert(0, ("There", f"{cast.demo.name}, with {', '.join(cast.servers)}"))
        rows += [("Type" if number == 0 else "", hint) for number, hint in enumerate(cast.demo.hints)]
    elif cast.errand is None:
        names = ", ".join(cast.servers)
        rows.insert(0, ("There", f"{names} takes part; call its tools, or bring an agent in."))
    else:
        there = f'{cast.agent} proposes; approve, edit or reject it. Write "again" for one more.'
        rows = [("There", there), *rows]
        rows.append(("Promote", _typed(promotion_of(scene))))
        rows.append(("Take back", _typed(promotion_of(scene, back=True))))
        if scene.is_promoted:
            rows.append(("Note", f"{cast.agent} is still promoted from an earlier run, and need not ask."))
    say()
    for title, text in rows:
        say((f"  {title:<11}", "bold"), text)
    say((f"\nWhoever has the link is {cast.person}. Ctrl-C ends all of it.", "dim"))
