"""How a sitting of `mcpx join` speaks: in lines to a person, in JSON to a script."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from participants.cli.commands import Command
from participants.cli.console import one_line, put, put_json, say
from participants.cli.json_lines import parse_json_line
from participants.cli.outcomes import explain_failure
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
from participants.cli.typed_lines import HELP, parse_line
from participants.client import ClientEvent, Participant
from participants.conversation import Outcome, Peer, Proposal, ProposalSeen
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


@dataclass(frozen=True, slots=True)
class DraftShown:
    """A proposal whose arguments somebody wants to change."""

    proposal: Proposal


Answer = Outcome | Here | DraftShown | Waiting | Sent | Usage
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
            case DraftShown(proposal=proposal):
                # In ASCII: what is invisible is spelled out, and still means the same when it is typed.
                arguments = json.dumps(proposal.params.get("arguments", {}))
                say(f"/edit {self.numbers.get(proposal.id, proposal.id)} {arguments}")
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
        case DraftShown(proposal=proposal):
            return {"proposal": proposal_json(proposal)}
        case Sent(id=id):
            return {"id": id}
        case Usage():
            return {"help": HELP}
