"""`mcpx bridge`: a real MCP server as a participant of a topic."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from participants.cli.access import ParticipantOption, TokenFileOption, TopicOption, UrlOption, find_access
from participants.cli.addresses import DEFAULT_URL
from participants.cli.console import say
from participants.cli.errors import UsageRefused

if TYPE_CHECKING:
    from participants.client import Participant
    from participants.eras import ServerFacts


def bridge(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND…", help="The server, and its arguments.")
    ] = None,
    topic: TopicOption = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    name: ParticipantOption = None,
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
    from participants.bridge import run_bridge
    from participants.cli.logs import log_to

    log_to()

    def tell(me: Participant, facts: ServerFacts) -> None:
        say(f"{me.id} serves {facts.name or command[0]} in {access.topic}. Ctrl-C ends it.")

    asyncio.run(
        run_bridge(
            command,
            access.address.websocket_url,
            access.topic,
            access.token,
            pass_env=env or (),
            on_ready=tell,
        )
    )
