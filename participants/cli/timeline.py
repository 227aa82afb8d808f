"""
What happened in a topic, as a line for a person and as a JSON object for a machine.

Pure: an event goes in, text comes out. Everything that another participant
wrote is spelled out where it could hide or disguise something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec
import orjson

from participants.cli.console import one_line, visible
from participants.cli.shapes import as_shape
from participants.client import ClientEvent, Disconnected, EventsDropped, Reconnected
from participants.conversation import (
    Chat,
    ErrorHeard,
    FulfillmentSeen,
    Heard,
    Misbehaved,
    NotificationSeen,
    OtherSeen,
    Outcome,
    Peer,
    Presence,
    Proposal,
    ProposalLapsed,
    ProposalSeen,
    RejectSeen,
    RequestSeen,
    ResponseSeen,
    Welcome,
    WithdrawSeen,
)
from schemas import JsonObject

Line = tuple[str, str]
"""A text and the style that a terminal shows it in."""


class _TextPart(msgspec.Struct):
    """A part of a tool's result that is text."""

    type: Literal["text"]
    text: str


_INDENT: Final = "    "


def line_of(event: ClientEvent, number: Mapping[str, int], me: str) -> Line | None:
    """
    Say an event to a person; `None`: it needs no line.

    `number` has the short numbers by which proposals are called in this session.
    """
    match event:
        case Chat():
            whom = f" (to {', '.join(event.to)})" if event.to else ""
            return f"{event.sender}{whom}: {_indented(event.text)}", "bold" if event.sender == me else ""
        case Welcome():
            return welcome_line(event.you.id, event.others), "green"
        case Presence():
            said = _presence_line(event)
            return None if said is None else (said, "dim")
        case ProposalSeen():
            return proposal_line(event.proposal, number), "yellow"
        case FulfillmentSeen():
            return _fulfillment_line(event, number), "cyan"
        case RequestSeen():
            return f"{event.sender} → {_names(event.to)}: {_call(event.method, event.params)}", "cyan"
        case ResponseSeen():
            return _response_line(event), "cyan" if event.error is None else "red"
        case RejectSeen() | WithdrawSeen():
            return _settled_line(event, number), "yellow"
        case ProposalLapsed():
            return f"Proposal {_number(event.proposal.id, number)} has expired", "dim"
        case ErrorHeard():
            return f"Refused ({event.error}): {one_line(event.message)}", "red"
        case Misbehaved():
            return f"{event.sender or 'somebody'} broke a rule: {one_line(event.why)}", "red"
        case Disconnected():
            after = "" if event.final else "; connecting again"
            return f"Disconnected ({event.code}): {one_line(event.reason)}{after}", "red"
        case Reconnected():
            return "Connected again; what was said in between is missing here", "green"
        case EventsDropped():
            return f"{event.count} events are missing here: this terminal was too slow", "red"
        case OtherSeen():
            return f"{event.sender}: {one_line(str(event.kind))} {_json(event.payload)}", "dim"
        case NotificationSeen():
            return None


def welcome_line(me: str, present: Iterable[Peer]) -> str:
    """Say who one is, and who else is here."""
    return f"You are {me}; here: {', '.join(peer.id for peer in present if peer.id != me) or 'nobody else'}"


def proposal_line(proposal: Proposal, number: Mapping[str, int]) -> str:
    """Show one proposal with everything that it would do, not an extract."""
    whom = _names(proposal.to) if proposal.to else "anybody"
    what = f"{proposal.method} {one_line(proposal.context or '')}".rstrip()
    shown = visible(orjson.dumps(proposal.params, option=orjson.OPT_INDENT_2).decode())
    head = f"Proposal {_number(proposal.id, number)}: {proposal.proposer} asks {whom} for {what}"
    return f"{head}\n{_INDENT}{_indented(shown)}"


def outcome_line(outcome: Outcome) -> str:
    """Say what a call of this participant came to."""
    how = (
        f" (approved by {outcome.fulfilled_by}{', edited' if outcome.edited else ''})"
        if outcome.fulfilled_by
        else ""
    )
    return f"{outcome.by} answered{how}: {_indented(result_text(outcome.result))}"


def result_text(result: JsonObject) -> str:
    """A tool's result as people read it: its text where it has nothing else, else the whole as JSON."""
    parts = as_shape(result.get("content"), list[_TextPart])
    if not parts:
        return orjson.dumps({name: value for name, value in result.items() if name != "_meta"}).decode()
    return "\n".join(part.text for part in parts)


def roster_lines(roster: Iterable[Peer], me: str) -> list[str]:
    """One line for everybody present, with what they may send."""
    width = max((len(peer.id) for peer in roster), default=0)
    return [
        f"{peer.id:<{width}}  {' '.join(peer.capabilities.patterns)}{'  (you)' if peer.id == me else ''}"
        for peer in sorted(roster, key=lambda peer: peer.id)
    ]


def json_of(event: ClientEvent) -> JsonObject:
    """Return an event as the object that `mcpx join --json` writes on one line."""
    match event:
        case Disconnected():
            return {"event": "disconnected", "code": event.code, "reason": event.reason, "final": event.final}
        case Reconnected():
            return {"event": "reconnected"}
        case EventsDropped():
            return {"event": "missed", "count": event.count}
        case ProposalLapsed():
            return {"event": "expired", "proposal": event.proposal.id}
        case Misbehaved():
            kind = None if event.kind is None else str(event.kind)
            return {
                "event": "misbehaved",
                "from": event.sender,
                "id": event.envelope_id,
                "kind": kind,
                "why": event.why,
            }
        case Welcome():
            peers = [peer_json(peer) for peer in event.others]
            return {"event": "welcome", **_header(event), "you": peer_json(event.you), "participants": peers}
        case Heard():
            name, facts = _facts(event)
            return {"event": name, **_header(event), **facts}


def proposal_json(proposal: Proposal) -> JsonObject:
    """Return a proposal as an object."""
    return {
        "id": proposal.id,
        "from": proposal.proposer,
        "to": list(proposal.to),
        "method": proposal.method,
        "context": proposal.context,
        "params": proposal.params,
        "expires_at": proposal.expires_at,
        "mine": proposal.mine,
    }


def outcome_json(outcome: Outcome) -> JsonObject:
    """Return what a call came to as an object."""
    return {
        "result": outcome.result,
        "by": outcome.by,
        "fulfilled_by": outcome.fulfilled_by,
        "edited": outcome.edited,
        "params": outcome.params,
        "proposal_id": outcome.proposal_id,
        "request_id": outcome.request_id,
    }


def peer_json(peer: Peer) -> JsonObject:
    """Return somebody present as an object."""
    return {"id": peer.id, "capabilities": list(peer.capabilities.patterns)}


def _facts(event: Heard) -> tuple[str, JsonObject]:
    match event:
        case Chat():
            return "chat", {"text": event.text, "format": event.format}
        case Presence():
            before = None if event.before is None else peer_json(event.before)
            return "presence", {
                "change": event.event,
                "participant": peer_json(event.peer),
                "before": before,
            }
        case ProposalSeen():
            return "proposal", {"proposal": proposal_json(event.proposal)}
        case FulfillmentSeen():
            facts = {"proposal": event.proposal.id, "edited": event.edited, "effective": event.effective}
            return "fulfillment", {"method": event.method, "params": event.params, **facts}
        case RequestSeen():
            return "request", {"method": event.method, "params": event.params}
        case NotificationSeen():
            return "notification", {"method": event.method, "params": event.params}
        case ResponseSeen():
            answer = {"result": event.result} if event.error is None else {"error": event.error}
            return "response", {"request": event.request_id, "verified": event.verified, **answer}
        case RejectSeen() | WithdrawSeen():
            name = "reject" if isinstance(event, RejectSeen) else "withdraw"
            return name, {"reason": event.reason, "message": event.message, "effective": event.effective}
        case ErrorHeard():
            return "refused", {"error": event.error, "message": event.message}
        case _:
            return "other", {"payload": event.payload}


def _header(event: Heard) -> JsonObject:
    return {
        "id": event.id,
        "from": event.sender,
        "to": list(event.to),
        "kind": str(event.kind),
        "correlation_id": event.correlation_id,
        "ts": event.ts,
    }


def _presence_line(event: Presence) -> str | None:
    if event.event == "leave":
        return None if event.before is None else f"{event.peer.id} left"
    may = " ".join(event.peer.capabilities.patterns)
    if event.before is None:
        return f"{event.peer.id} is here: {may}"
    # One more connection of somebody present is nothing new to a person.
    return None if event.before == event.peer else f"{event.peer.id} may now: {may}"


def _fulfillment_line(event: FulfillmentSeen, number: Mapping[str, int]) -> str:
    name = f"proposal {_number(event.proposal.id, number)} of {event.proposal.proposer}"
    if not event.effective:
        return f"{event.sender} came too late for {name}"
    if not event.edited:
        return f"{event.sender} approved {name}"
    return f"{event.sender} approved {name}, edited: {_json(event.params)}"


def _response_line(event: ResponseSeen) -> str:
    doubt = "" if event.verified else " (to a request not seen here)"
    if event.error is not None:
        return f"{event.sender} could not{doubt}: {_json(event.error)}"
    result = event.result or {}
    verb = "failed" if result.get("isError") else "answered"
    return f"{event.sender} {verb}{doubt}: {_indented(result_text(result))}"


def _settled_line(event: RejectSeen | WithdrawSeen, number: Mapping[str, int]) -> str:
    verb = "rejected" if isinstance(event, RejectSeen) else "withdrew"
    which = "a proposal" if event.proposal is None else f"proposal {_number(event.proposal.id, number)}"
    late = "" if event.effective else " (too late)"
    message = f": {one_line(event.message)}" if event.message else ""
    return f"{event.sender} {verb} {which} ({one_line(event.reason)}){message}{late}"


def _number(id: str, number: Mapping[str, int]) -> str:
    return f"#{number[id]}" if id in number else one_line(id)


def _call(method: str, params: JsonObject) -> str:
    return f"{one_line(method)} {_json(params)}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "everybody"


def _json(value: Any) -> str:
    return one_line(orjson.dumps(value).decode())


def _indented(text: str) -> str:
    return visible(text).replace("\n", f"\n{_INDENT}")
