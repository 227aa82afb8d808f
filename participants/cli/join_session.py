"""One sitting of `mcpx join`: lines in, events out, and calls that run meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from participants.cli.console import one_line, put, put_json, say
from participants.cli.errors import CommandError, UsageRefused
from participants.cli.line_commands import (
    HELP,
    Approve,
    Call,
    Command,
    Help,
    Pending,
    Quit,
    Reject,
    Say,
    SendEnvelope,
    Who,
    parse_json_line,
    parse_line,
)
from participants.cli.outcomes import explain_failure
from participants.cli.stdin_lines import stdin_lines
from participants.cli.timeline import (
    json_of,
    line_of,
    outcome_json,
    peer_json,
    proposal_json,
    proposal_line,
    roster_lines,
    welcome_line,
)
from participants.client import ClientEvent, Disconnected, EventStream, Participant
from participants.conversation import Outcome, Peer, Proposal, ProposalSeen
from participants.errors import Closed
from schemas import JsonObject, McpxError


@dataclass(frozen=True, slots=True)
class Here:
    """Who is present."""

    peers: list[Peer]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The proposals that wait for a decision."""

    proposals: list[Proposal]


@dataclass(frozen=True, slots=True)
class Sent:
    """An envelope went out; what becomes of it is told by events."""

    id: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What can be typed."""


Answer = Outcome | Here | Waiting | Sent | Usage
"""What a command comes to."""


class Voice(Protocol):
    """How a sitting speaks: to a person, or to a script."""

    numbers: dict[str, int]
    """Short numbers of proposals, by their ids."""

    def parse(self, line: str) -> tuple[Command | None, Any]:
        """Read one line of input, and the tag that its answer carries."""
        ...

    def welcome(self, me: Participant) -> None:
        """Tell who this participant is, and who else is here."""
        ...

    def hear(self, event: ClientEvent) -> None:
        """Tell of an event."""
        ...

    def answer(self, tag: Any, answer: Answer) -> None:
        """Tell what came of a command."""
        ...

    def fail(self, tag: Any, error: McpxError) -> None:
        """Tell that a command failed."""
        ...


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
            try:
                command, tag = self._voice.parse(line)
            except UsageRefused as error:
                self._voice.fail(None, error)
                continue
            if isinstance(command, Quit):
                return
            if command is not None:
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


class TextVoice:
    """Lines for a person; proposals get short numbers."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._me = ""
        self._is_terminal = is_terminal
        self.numbers: dict[str, int] = {}

    def welcome(self, me: Participant) -> None:
        self._me = me.id
        put(welcome_line(me.id, me.roster.values()))
        if self._is_terminal:
            say(("What you type is said; /help shows what else there is, /quit leaves.", "dim"))

    def parse(self, line: str) -> tuple[Command | None, Any]:
        return parse_line(line), None

    def hear(self, event: ClientEvent) -> None:
        if isinstance(event, ProposalSeen):
            self._number(event.proposal)
        line = line_of(event, self.numbers, self._me)
        if line is not None:
            # What is said in the topic is the data of this command.
            put(line[0])

    def answer(self, tag: Any, answer: Answer) -> None:  # noqa: ARG002 - a person's lines have no tags
        match answer:
            case Here(peers=peers):
                for line in roster_lines(peers, self._me):
                    say(line)
            case Waiting(proposals=[]):
                say(("Nothing waits for a decision.", "dim"))
            case Waiting(proposals=proposals):
                for proposal in proposals:
                    self._number(proposal)
                    say((proposal_line(proposal, self.numbers), "yellow"))
            case Usage():
                say(HELP)
            case Sent() | Outcome():
                pass  # heard as an event

    def fail(self, tag: Any, error: McpxError) -> None:  # noqa: ARG002 - a person's lines have no tags
        told = explain_failure(error)
        more = [f" {sentence}." for sentence in (told.why, told.do) if sentence]
        say((one_line(told.what), "red"), *more)

    def _number(self, proposal: Proposal) -> None:
        self.numbers.setdefault(proposal.id, len(self.numbers) + 1)


class JsonVoice:
    """JSON lines for a script."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def welcome(self, me: Participant) -> None:
        others = [peer_json(peer) for peer in me.roster.values() if peer.id != me.id]
        you = peer_json(Peer(me.id, me.capabilities))
        put_json({"event": "welcome", "topic": me.topic, "you": you, "participants": others})

    def parse(self, line: str) -> tuple[Command | None, Any]:
        return parse_json_line(line)

    def hear(self, event: ClientEvent) -> None:
        put_json(json_of(event))

    def answer(self, tag: Any, answer: Answer) -> None:
        put_json({"event": "done", "tag": tag, **_facts(answer)})

    def fail(self, tag: Any, error: McpxError) -> None:
        told = explain_failure(error)
        facts = {"error": type(error).__name__, "message": told.what, "why": told.why}
        put_json({"event": "failed", "tag": tag, **facts})


def _facts(answer: Answer) -> JsonObject:
    match answer:
        case Outcome():
            return outcome_json(answer)
        case Here(peers=peers):
            return {"participants": [peer_json(peer) for peer in peers]}
        case Waiting(proposals=proposals):
            return {"proposals": [proposal_json(proposal) for proposal in proposals]}
        case Sent(id=id):
            return {"id": id}
        case Usage():
            return {"help": HELP}
