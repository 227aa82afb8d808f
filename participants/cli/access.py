"""How a command gets into a topic: which gateway, which topic, and on whose behalf."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from participants.cli.addresses import DEFAULT_URL, GatewayAddress
from participants.cli.console import one_line, say
from participants.cli.credentials import find_token
from participants.cli.errors import CommandError, UsageRefused
from participants.cli.shapes import as_object, as_texts
from schemas import NameRefused, check_participant_id, check_topic

UrlOption = Annotated[
    str, typer.Option("--url", envvar="MCPX_URL", help="The gateway.", show_default=DEFAULT_URL)
]
TopicOption = Annotated[
    str | None,
    typer.Option(
        "--topic", "-t", envvar="MCPX_TOPIC", help="The topic; may be left out if the token names one."
    ),
]
TokenFileOption = Annotated[
    str | None,
    typer.Option(
        "--token-file",
        metavar="FILE|-",
        help="Read the token from a file, or from standard input (-). Else MCPX_TOKEN is used.",
    ),
]
ParticipantOption = Annotated[
    str | None,
    typer.Option(
        "--participant",
        "-p",
        metavar="ID",
        help="Without a token: be this participant, by a token issued from this machine's key.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines instead of text for people.")]

_OWN_TOKEN_TTL_S: Final = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that `Participant.connect` asks for."""

    address: GatewayAddress
    topic: str
    token: str


def find_access(
    url: str,
    topic: str | None,
    token_file: str | None,
    participant: str | None,
    *,
    profile: str = "full",
    env: Mapping[str, str] = os.environ,
) -> Access:
    """
    Bring together the gateway, the topic and a token.

    Without a token, `participant` gets one with `profile`, issued from this
    machine's key for this topic alone.

    Raises:
        CommandError: one of them is missing or wrong.
    """
    address = GatewayAddress.parse(url)
    token = find_token(env, "MCPX_TOKEN", token_file) if participant is None or token_file else None
    try:
        if token is not None:
            access = Access(address, _topic_of(token) if topic is None else check_topic(topic), token)
        else:
            access = Access(address, *_issued(topic, participant, profile, env))
    except NameRefused as error:
        raise UsageRefused(str(error)) from error
    warn_if_exposed(address)
    return access


def warn_if_exposed(address: GatewayAddress) -> None:
    """Say it when a token is about to travel where others can read it."""
    if not address.is_private:
        say(
            (
                f"Warning: {address.http_url} is not encrypted; everybody on the way can read the token",
                "yellow",
            )
        )


def _issued(
    topic: str | None, participant: str | None, profile: str, env: Mapping[str, str]
) -> tuple[str, str]:
    if participant is None:
        raise UsageRefused(
            "There is no token",
            why="Neither --token-file nor MCPX_TOKEN names one",
            do="Set one of them; or, on the gateway's own machine, name yourself with --participant",
        )
    if topic is None:
        raise UsageRefused(
            "There is no topic", why="--topic and MCPX_TOPIC are not set", do="Name one with --topic"
        )
    from participants.cli.keys import require_keys

    check_topic(topic)
    check_participant_id(participant)
    keys = require_keys(env)
    return topic, keys.issue(participant, [topic], profile=profile, ttl_s=_OWN_TOKEN_TTL_S)


def _topic_of(token: str) -> str:
    topics = as_texts(read_unverified(token).get("topics")) or []
    if len(topics) == 1 and not topics[0].endswith("*"):
        return check_topic(topics[0])
    raise UsageRefused(
        "There is no topic",
        why=f"The token names {', '.join(map(one_line, topics[:8])) or 'none'}, so one must be chosen",
        do="Name it with --topic, or set MCPX_TOPIC",
    )


def read_unverified(token: str) -> dict[str, Any]:
    """
    Return a token's claims without checking who signed them; they decide nothing.

    Raises:
        CommandError: it is no token.
    """
    try:
        _, body, _ = token.split(".")
        claims = as_object(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    except (ValueError, binascii.Error, RecursionError):
        claims = None
    if claims is None:
        raise CommandError(
            "What was given is no token", why="A token is three parts of base64url with dots between"
        )
    return claims
