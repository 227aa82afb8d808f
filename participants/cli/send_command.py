"""`mcpx send`: say one thing, or send one envelope, and know that it was accepted."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Final

import typer

from participants.cli.access import (
    Access,
    JsonOption,
    ParticipantOption,
    TokenFileOption,
    TopicOption,
    UrlOption,
    find_access,
)
from participants.cli.addresses import DEFAULT_URL
from participants.cli.commands import SendEnvelope
from participants.cli.console import put, put_json
from participants.cli.errors import CommandError, UsageRefused
from participants.cli.json_lines import parse_envelope, parse_object

_MAX_INPUT_BYTES: Final = 4 << 20


def send(
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT|-]", help="What to say; standard input if left out.")
    ] = None,
    topic: TopicOption = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    participant: ParticipantOption = None,
    to: Annotated[list[str] | None, typer.Option("--to", metavar="ID", help="Say it to this one.")] = None,
    envelope: Annotated[
        bool,
        typer.Option("--envelope", help='Send the JSON of standard input: {"kind": …, "payload": {…}, …}.'),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Say something in a topic, or send one envelope of any kind, and print the envelope's id.

    Exit status 0 means that the gateway accepted it, 3 that it refused it.

    [bold]Examples[/bold]

      mcpx send --topic ops "the release is out"
      make report | mcpx send --topic ops -
      echo '{"kind": "x-acme/build", "payload": {"ok": true}}' | mcpx send --topic ops --envelope
    """
    from_stdin = envelope or text in {None, "-"}
    if from_stdin and token_file == "-":  # noqa: S105 - the name of standard input
        raise UsageRefused("Standard input cannot hold token and text", do="Use a file, or MCPX_TOKEN")
    if envelope and text is not None:
        raise UsageRefused("--envelope takes everything from standard input", do="Leave out the text")
    said = _read_stdin() if from_stdin else text or ""
    what = _envelope_of(said, to or []) if envelope else _chat_of(said, to or [])
    id = asyncio.run(send_one(find_access(url, topic, token_file, participant), what))
    if as_json:
        put_json({"id": id, "kind": what.kind})
    else:
        put(id)


def _read_stdin() -> str:
    data = sys.stdin.buffer.read(_MAX_INPUT_BYTES + 1)
    if len(data) > _MAX_INPUT_BYTES:
        raise CommandError("Standard input is too long", why=f"It has more than {_MAX_INPUT_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CommandError("Standard input is no UTF-8", why=str(error)) from error


def _envelope_of(text: str, to: list[str]) -> SendEnvelope:
    value = parse_object(text)
    return parse_envelope({**value, "to": to} if to else value)


def _chat_of(text: str, to: list[str]) -> SendEnvelope:
    said = text.rstrip("\n")
    if not said:
        raise UsageRefused("There is nothing to say")
    return SendEnvelope("chat", {"text": said, "format": "plain"}, tuple(to))


async def send_one(access: Access, what: SendEnvelope) -> str:
    """
    Send one envelope and return its id once it has come back, which is its acceptance.

    Raises:
        Refused, Closed, CommandError: see `wait_accepted`.
    """
    from participants.cli.acceptance import wait_accepted
    from participants.client import Participant

    url = access.address.websocket_url
    async with Participant.connect(url, access.topic, access.token, reconnect=False) as me:
        events = me.events()
        id = await me.send(what.kind, what.payload, to=what.to, correlation_id=what.correlation_id)
        await wait_accepted(events, id)
        return id
