"""`mcpx join`: take part from a terminal, or from a script."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Literal

import typer

from participants.cli.access import (
    JsonOption,
    ParticipantOption,
    TokenFileOption,
    TopicOption,
    UrlOption,
    find_access,
)
from participants.cli.addresses import DEFAULT_URL
from participants.cli.errors import UsageRefused


def join(
    topic: TopicOption = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    participant: ParticipantOption = None,
    profile: Annotated[
        str, typer.Option("--profile", help="With --participant: what the token issued allows.")
    ] = "full",
    directed: Annotated[
        bool,
        typer.Option("--directed", help="Hear only what is meant for you; nothing can be approved then."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Take part in a topic, line by line: what you type is said, /help shows the rest.

    With --json every event is one JSON object on standard output, and every line of
    standard input is one command:

      {"chat": TEXT, "to": [ID…]}    {"who": true}    {"pending": true}    {"quit": true}
      {"approve": ID, "arguments": {…}, "target": ID}    {"reject": ID, "reason": CODE, "message": TEXT}
      {"call": ID, "tool": NAME, "arguments": {…}}    {"call": ID, "method": NAME, "params": {…}}
      {"kind": KIND, "payload": {…}, "to": [ID…], "correlation_id": ID}

    A "tag" in a command comes back in its answer: {"event": "done"|"failed", "tag": …}.
    At the end of the input, commands under way are finished.

    [bold]Examples[/bold]

      mcpx join --topic ops --token-file ann.token
      mcpx join --topic ops --participant ann
      echo '{"chat": "deployed"}' | mcpx join --topic ops --json
    """
    if token_file == "-":  # noqa: S105 - the name of standard input
        raise UsageRefused(
            "Standard input cannot hold both the token and the lines", do="Use a file, or MCPX_TOKEN"
        )
    gateway = find_access(url, topic, token_file, participant, profile=profile)
    from participants.cli.join_session import Session
    from participants.cli.logs import log_to
    from participants.cli.tasks import until_told
    from participants.cli.voices import JsonVoice, TextVoice
    from participants.client import Participant

    log_to(level="warning")
    mode: Literal["all", "directed"] = "directed" if directed else "all"

    async def take_part() -> None:
        url = gateway.address.websocket_url
        async with Participant.connect(url, gateway.topic, gateway.token, mode=mode) as me:
            voice = JsonVoice() if as_json else TextVoice(is_terminal=sys.stdin.isatty())
            await Session(me, voice).run()

    code = asyncio.run(until_told(take_part()))
    if code:
        raise typer.Exit(code)
