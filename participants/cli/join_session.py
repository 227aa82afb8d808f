"""One sitting of `mcpx join`: lines in, events out, and calls that run meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any, Final, assert_never

from participants.cli.commands import (
    Approve,
    Call,
    Command,
    Help,
    Pending,
    Quit,
    Reject,
    Say,
    SendEnvelope,
    ShowDraft,
    Who,
)
from participants.cli.console import one_line
from participants.cli.errors import CommandError, UsageRefused
from participants.cli.stdin_lines import stdin_lines
from participants.cli.voices import Answer, DraftShown, Here, Sent, Usage, Voice, Waiting
from participants.client import Disconnected, EventStream, Participant
from participants.conversation import Proposal
from participants.errors import Closed
from schemas import JsonObject, McpxError

MOST_UNDER_WAY: Final = 1000
"""Commands; the next line waits until one of them is done."""


class Session:
    """Reads commands and does them; what takes time does not keep the next line waiting."""

    def __init__(self, me: Participant, voice: Voice) -> None:
        self._me, self._voice = me, voice
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """
        Take part until the input ends, somebody types /quit, or the connection ends for good.

        Raises:
            Closed: the connection ended for good.
        """
        # Opened before anything is awaited, so that nothing after the welcome is missed.
        events = self._me.events()
        self._voice.welcome(self._me)
        hearing = asyncio.create_task(self._hear(events), name="join.hear")
        reading = asyncio.create_task(self._read(), name="join.read")
        try:
            await asyncio.wait({hearing, reading}, return_when=asyncio.FIRST_COMPLETED)
            for task in (hearing, reading):
                if task.done():
                    task.result()
        finally:
            work = {hearing, reading, *self._under_way}
            for task in work:
                task.cancel()
            await asyncio.wait(work)

    async def _hear(self, events: EventStream) -> None:
        async for event in events:
            self._voice.hear(event)
            if isinstance(event, Disconnected) and event.final:
                raise Closed(event.code, event.reason)

    async def _read(self) -> None:
        async for line in stdin_lines():
            if isinstance(line, UsageRefused):
                self._voice.fail(None, line)
                continue
            try:
                command, tag = self._voice.parse(line)
            except UsageRefused as error:
                self._voice.fail(None, error)
                continue
            if isinstance(command, Quit):
                return
            if command is not None:
                while len(self._under_way) >= MOST_UNDER_WAY:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.create_task(self._do(command, tag), name="join.command")
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _do(self, command: Command, tag: Any) -> None:
        try:
            self._voice.answer(tag, await self._perform(command))
        except McpxError as error:
            self._voice.fail(tag, error)

    async def _perform(self, command: Command) -> Answer:
        me = self._me
        match command:
            case Say(text=text, to=to):
                return Sent(await me.chat(text, to=to))
            case Who():
                return Here(list(me.roster.values()))
            case Pending():
                return Waiting(me.pending_proposals)
            case Approve(proposal=wanted, target=target):
                proposal = self._find(wanted)
                return await me.fulfill(proposal, params=edited_params(proposal, command), target=target)
            case ShowDraft(proposal=wanted):
                return DraftShown(self._find(wanted))
            case Reject(proposal=wanted, reason=reason, message=message):
                await me.reject(self._find(wanted), reason, message)
                return Sent(None)
            case Call(target=target, method=method, params=params):
                return await me.request(target, method, params, timeout=None)
            case SendEnvelope(kind=kind, payload=payload, to=to, correlation_id=about):
                return Sent(await me.send(kind, payload, to=to, correlation_id=about))
            case Help() | Quit():
                return Usage()
            case _:
                assert_never(command)

    def _find(self, wanted: str) -> Proposal:
        return find_proposal(wanted, self._me.pending_proposals, self._voice.numbers)


def find_proposal(wanted: str, pending: list[Proposal], numbers: dict[str, int]) -> Proposal:
    """
    Return the pending proposal that a number, an id, or the beginning of an id names.

    Raises:
        CommandError: none is named so, or more than one.
    """
    exact = [each for each in pending if each.id == wanted or str(numbers.get(each.id)) == wanted]
    found = exact or [each for each in pending if len(wanted) >= 4 and each.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    why = "Several begin like this" if found else "It may be settled or expired"
    raise CommandError(f"No proposal {one_line(wanted)[:64]!r} waits", why=why, do="See /pending")


def edited_params(proposal: Proposal, command: Approve) -> JsonObject | None:
    """Return the params to carry the proposal out with; `None`: as they stand."""
    if command.params is not None:
        return command.params
    if command.arguments is not None:
        return {**proposal.params, "arguments": command.arguments}
    return None
