"""`mcpx approve` and `mcpx reject`: decide on one proposal from a shell."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from participants.cli.commands import REASONS, Approve
from participants.cli.console import one_line, put_json, say
from participants.cli.durations import parse_duration, spoken
from participants.cli.errors import CommandError, ExitCode, UsageRefused
from participants.cli.json_lines import parse_object
from schemas import JsonObject

if TYPE_CHECKING:
    from participants.client import Participant
    from participants.conversation import Outcome, Proposal

ProposalArgument = Annotated[str, typer.Argument(metavar="ID", help="The proposal's id, or its beginning.")]
WaitOption = Annotated[str, typer.Option("--wait", help="How long to wait until it is seen.")]


def approve(
    proposal: ProposalArgument,
    topic: TopicOption = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    participant: ParticipantOption = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Who shall do it, where the proposal leaves that open.")
    ] = None,
    arguments: Annotated[
        str | None,
        typer.Option("--arguments", metavar="FILE|-", help="JSON to call the tool with instead."),
    ] = None,
    wait: WaitOption = "10s",
    as_json: JsonOption = False,
) -> None:
    """
    Carry a proposal out, as it stands or with other arguments, and print the result.

    Exit status 0: done. 1: the tool failed, or the proposal was settled before. 3: you may not.

    [bold]Examples[/bold]

      mcpx approve 4f1c22 --topic ops
      echo '{"message": "Fix the typo"}' | mcpx approve 4f1c22 --topic ops --arguments -
    """
    if arguments == "-" and token_file == "-":  # noqa: S105 - the name of standard input
        raise UsageRefused("Standard input cannot hold both the token and the arguments")
    edited = None if arguments is None else parse_object(_read(arguments))
    access = find_access(url, topic, token_file, participant)
    outcome = asyncio.run(_approve(access, proposal, target, edited, parse_duration(wait)))
    from participants.cli.timeline import outcome_json, outcome_line

    if as_json:
        put_json(outcome_json(outcome))
    else:
        put_json(outcome.result)
        say((outcome_line(outcome).partition(":")[0], "green"))
    if outcome.result.get("isError"):
        raise typer.Exit(ExitCode.FAILED)


def reject(
    proposal: ProposalArgument,
    message: Annotated[str, typer.Argument(help="Why; the proposer reads it.")] = "",
    topic: TopicOption = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    participant: ParticipantOption = None,
    reason: Annotated[str, typer.Option("--reason", help=f"One of {', '.join(sorted(REASONS))}.")] = "denied",
    wait: WaitOption = "10s",
    as_json: JsonOption = False,
) -> None:
    """
    Refuse a proposal and say why.

    Exit status 0: it is rejected. 1: it was settled before. 3: you may not.

    [bold]Examples[/bold]

      mcpx reject 4f1c22 --topic ops "not on a Friday"
      mcpx reject 4f1c22 --topic ops --reason policy
    """
    if reason not in REASONS:
        raise UsageRefused(f"{reason!r} is no reason", do=f"One of {', '.join(sorted(REASONS))}")
    access = find_access(url, topic, token_file, participant)
    rejected = asyncio.run(_reject(access, proposal, reason, message, parse_duration(wait)))
    if as_json:
        put_json({"rejected": rejected.id, "from": rejected.proposer, "reason": reason, "message": message})
    else:
        say(f"Rejected what {rejected.proposer} proposed ({reason}).")


async def _approve(
    access: Access, wanted: str, target: str | None, edited: JsonObject | None, wait_s: float
) -> Outcome:
    from participants.cli.join_session import edited_params

    async with _seen(access, wanted, wait_s) as (me, proposal):
        params = edited_params(proposal, Approve(proposal.id, arguments=edited))
        return await me.fulfill(proposal, params=params, target=target)


async def _reject(access: Access, wanted: str, reason: str, message: str, wait_s: float) -> Proposal:
    from participants.cli.acceptance import wait_accepted
    from participants.conversation import RejectSeen

    async with _seen(access, wanted, wait_s) as (me, proposal):
        events = me.events()
        said = await wait_accepted(events, await me.reject(proposal, reason, message))
    if not (isinstance(said, RejectSeen) and said.effective):
        raise CommandError(
            "The rejection came too late",
            why="Somebody was first, or the proposal had expired",
            do="`mcpx join` shows what waits",
        )
    return proposal


@asynccontextmanager
async def _seen(access: Access, wanted: str, wait_s: float) -> AsyncGenerator[tuple[Participant, Proposal]]:
    """Join, and wait until the proposal is seen: its proposer's library repeats it for newcomers."""
    from participants.cli.join_session import find_proposal
    from participants.client import Participant

    url = access.address.websocket_url
    async with Participant.connect(url, access.topic, access.token, reconnect=False) as me:
        events = me.events()
        try:
            async with asyncio.timeout(wait_s):
                while not any(each.id.startswith(wanted) for each in me.pending_proposals):
                    await anext(events)
        except (TimeoutError, StopAsyncIteration):
            raise CommandError(
                f"No proposal {one_line(wanted)[:64]!r} was seen within {spoken(wait_s)}",
                why="It may be settled or expired, its proposer may be gone, or it is in another topic",
                do="`mcpx join` shows what waits",
            ) from None
        yield me, find_proposal(wanted, me.pending_proposals, {})


def _read(source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{source} cannot be read", why=str(error)) from error
