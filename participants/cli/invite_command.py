"""`mcpx invite`: a link that lets a person in by browser."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from participants.cli.access import JsonOption, UrlOption, warn_if_exposed
from participants.cli.addresses import DEFAULT_URL, GatewayAddress, invite_link
from participants.cli.console import put, put_json, say
from participants.cli.durations import parse_duration, spoken
from participants.cli.errors import UsageRefused
from participants.cli.keys import require_keys
from schemas import NameRefused, check_participant_id, check_topic


def invite(
    participant: Annotated[str, typer.Argument(help="Who the link makes its bearer.")],
    topic: Annotated[
        str | None, typer.Option("--topic", "-t", envvar="MCPX_TOPIC", help="Where it leads.")
    ] = None,
    profile: Annotated[str, typer.Option("--profile", help="What the bearer may do.")] = "full",
    ttl: Annotated[str, typer.Option("--ttl", help="How long it opens the door: 30m, 8h.")] = "8h",
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """
    Print a link that opens the chat page as this participant.

    Whoever has the link is that participant: send it as you would send a key.
    The token stands after the `#`, which browsers keep to themselves.

    [bold]Examples[/bold]

      mcpx invite ann --topic ops
      mcpx invite auditor --topic ops --profile read-only --ttl 30m
    """
    if topic is None:
        raise UsageRefused("There is no topic", do="Name one with --topic, or set MCPX_TOPIC")
    address = GatewayAddress.parse(url)
    try:
        check_participant_id(participant)
        check_topic(topic)
    except NameRefused as error:
        raise UsageRefused(str(error)) from error
    seconds = parse_duration(ttl)
    token = require_keys(os.environ).issue(participant, [topic], profile=profile, ttl_s=seconds)
    link = invite_link(address, topic, token)
    if as_json:
        put_json(
            {"link": link, "participant": participant, "topic": topic, "profile": profile, "ttl_s": seconds}
        )
        return
    warn_if_exposed(address)
    put(link)
    say(f"{participant} in {topic}, {profile}, {spoken(seconds)}. Whoever has the link is {participant}.")
