"""`mcpx bridge`: a real MCP server as a participant of a topic."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from participants.cli.access import (
    Access,
    TokenFileOption,
    TopicOption,
    UrlOption,
    find_access,
)
from participants.cli.addresses import DEFAULT_URL
from participants.cli.console import say
from participants.cli.errors import UsageRefused


def bridge(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND…", help="The server, and its arguments.")
    ] = None,
    topic: TopicOption = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            "-n",
            metavar="ID",
            help="Without a token: be this participant, by a token issued from this machine's key.",
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="KEY", help="Let the server see this variable."),
    ] = None,
) -> None:
    """
    Bring an MCP server that talks over standard input and output into a topic.

    The server sees PATH, HOME and a few others of this environment, and what --env
    names; never the token. It is started again when it ends, and ended with this command.

    [bold]Examples[/bold]

      mcpx bridge --topic ops --name git -- mcp-server-git --repository ~/project
      mcpx bridge --token-file files.token -- npx -y @modelcontextprotocol/server-filesystem ~/notes
      GITHUB_TOKEN=… mcpx bridge --topic ops --name github -e GITHUB_TOKEN -- github-mcp-server stdio
    """
    if not command:
        raise UsageRefused(
            "There is no server to bring in",
            do="Write its command after two dashes: mcpx bridge … -- COMMAND",
        )
    for variable in env or ():
        if "=" in variable:
            raise UsageRefused(
                f"--env takes a name, not {variable.partition('=')[0]}=…",
                why="A value on the command line could be read by other users of this machine",
                do="Set the variable for `mcpx bridge` and name it with --env",
            )
    access = find_access(url, topic, token_file, name, profile="server")
    from participants.cli.logs import log_to
    from participants.cli.tasks import until_told

    log_to()
    code = asyncio.run(until_told(_stay(access, command, env or ())))
    if code:
        raise typer.Exit(code)


async def _stay(access: Access, command: Sequence[str], handed_on: Sequence[str]) -> None:
    """
    Serve the topic with the command until cancelled.

    Raises:
        Closed: the connection ended for good.
    """
    from participants.bridge import Bridge, ChildCommand, child_environment
    from participants.client import Participant

    bridge = Bridge(ChildCommand(tuple(command), child_environment(os.environ, names=handed_on)))
    me = Participant.connect(access.address.websocket_url, access.topic, access.token)
    # The server first: who has joined a topic can be asked at once.
    async with bridge.running() as facts, bridge.serving(me), me:
        say(f"{me.id} serves {facts.name or command[0]} in {access.topic}. Ctrl-C ends it.")
        raise await me.wait_closed()
