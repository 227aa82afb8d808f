"""
What happened, as those saw it to whom it happened: one JSON object a line.

Whoever watches participants can write this: a simulation, or a test of real
processes. `at` is in seconds of one clock for all; events are in its order.
What the gateway's store saw (`Appended`) may be left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="event", omit_defaults=True, kw_only=True):
    """One thing that happened."""

    at: float


class Opening(Event, frozen=True, tag="opening"):
    """A participant asks to join. What it then hears begins with its welcome."""

    connection: str
    """Unique in the history; the watcher's name, not the gateway's."""
    participant: str
    topic: str
    base: tuple[str, ...]
    """The capabilities of its token."""
    mode: str = "all"
    jti: str = ""
    iat: int = 0
    """Unix seconds."""
    expires: float | None = None
    """When its token ends, by the history's clock."""
    node: str = ""


class Denied(Event, frozen=True, tag="denied"):
    """It was not let in: `revoked`, `unavailable`, `full`."""

    connection: str
    why: str


class Sent(Event, frozen=True, tag="sent"):
    """A participant sends an envelope."""

    connection: str
    id: str
    """The envelope's; unique in the history."""
    text: str
    is_too_large: bool = False


class Heard(Event, frozen=True, tag="heard"):
    """A participant receives an envelope."""

    connection: str
    text: str


class Closed(Event, frozen=True, tag="closed"):
    """The gateway ended a connection. Without a code it was cut: its node died, or the network did."""

    connection: str
    code: int | None = None


class Left(Event, frozen=True, tag="left"):
    """A participant ended its connection."""

    connection: str


class Asked(Event, frozen=True, tag="asked"):
    """An admin asks for a change of rights."""

    call: str
    act: str
    """`add`, `remove` or `revert` one pattern; `revoke` or `disconnect`."""
    participant: str | None = None
    topic: str | None = None
    """`None`: in all topics."""
    pattern: str = ""
    jti: str | None = None
    iat_until: int | None = None


class Answered(Event, frozen=True, tag="answered"):
    """The admin's call has returned. Without this, or when it failed, its outcome is not known."""

    call: str
    ok: bool = True


class Acted(Event, frozen=True, tag="acted"):
    """A participant carried out a request, by which it fulfilled a proposal."""

    participant: str
    proposal: str
    """Id of the proposal's envelope."""
    request: str
    """Id of the request's envelope."""


class Appended(Event, frozen=True, tag="appended"):
    """The store took these envelopes into a topic's order, in this order."""

    topic: str
    ids: tuple[str, ...]


class Forgotten(Event, frozen=True, tag="forgotten"):
    """The store lost these envelopes after having taken them: who heard one must not hear on in silence."""

    ids: tuple[str, ...]
    places: tuple[tuple[str, int, int], ...] | None = None
    """Lives of topics, and the first and the last place that was lost of each; `None`: perhaps any."""


class Quiet(Event, frozen=True, tag="quiet"):
    """Faults are over and everything has settled: from here on nobody waits for anything."""


class Holds(Event, frozen=True, tag="holds"):
    """After `Quiet`: what a connection that is still open may do, as the store says."""

    connection: str
    capabilities: tuple[str, ...]


class Note(Event, frozen=True, tag="note"):
    """Something that explains the rest: a fault, a node started or stopped. Never checked."""

    text: str


AnyEvent = (
    Opening
    | Denied
    | Sent
    | Heard
    | Closed
    | Left
    | Asked
    | Answered
    | Acted
    | Appended
    | Forgotten
    | Quiet
    | Holds
    | Note
)

_E = TypeVar("_E", bound=Event)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)


def to_line(event: Event) -> str:
    """Return an event as one line of JSON."""
    return _encoder.encode(event).decode()


def from_lines(lines: Iterable[str]) -> list[AnyEvent]:
    """
    Read a history, one event a line.

    Raises:
        msgspec.MsgspecError: a line is no event.
    """
    return [_decoder.decode(line) for line in lines if line.strip()]


def of_kind(history: Iterable[Event], kind: type[_E]) -> list[_E]:
    """Return the events of one kind."""
    return [event for event in history if type(event) is kind]


def describe(event: Event) -> str:
    """Return an event as a short line for people."""
    fields = msgspec.structs.asdict(event)
    at, text = fields.pop("at"), fields.pop("text", "")
    try:
        envelope = msgspec.json.decode(text)
        fields |= {
            key: envelope[key] for key in ("id", "from", "to", "kind", "correlation_id") if key in envelope
        }
        if str(envelope.get("kind")).startswith("system/"):
            fields |= envelope["payload"]
    except (msgspec.DecodeError, TypeError):
        fields["text"] = text
    told = ", ".join(f"{key} {value}" for key, value in fields.items() if value not in (None, "", (), False))
    return f"{at:9.4f}  {type(event).__name__.lower():9} {told}"
