"""What the core asks the shell to do. Each is carried out in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from gateway.core.entries import Entry
from gateway.core.members import Member
from schemas import CloseCode, Envelope, EnvelopeError

# Deliver and Draft are made for every envelope: as structs they cost a
# fifth of what frozen dataclasses do.


@dataclass(frozen=True, slots=True)
class Refuse:
    """The envelope goes nowhere; its sender alone hears why."""

    member: Member
    error: EnvelopeError


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """The same envelopes, in order, to each receiver, and to some others."""

    envelopes: Sequence[bytes]
    receivers: Sequence[Member]
    """A list that the topic keeps: the same one for as long as nobody comes or goes."""
    also: Sequence[Member] = ()
    """Others, picked for these envelopes; none of them is among the receivers."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """A member's join has taken its place; `data` is its `system/welcome`."""

    member: Member
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """End this connection."""

    member: Member
    code: CloseCode


Verdict = Envelope | Refuse | Close
"""What becomes of the bytes that a member sent: an envelope that is allowed, or why there is none."""

Effect = Deliver | Welcome | Close
"""What an entry of the order leads to."""


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An entry on its way into the topic's order."""

    entry: Entry
    member: Member | None
    """Who sent it, or joins by it; `None` for what the node says of others."""
    judged_at: int
    """The topic's position when it was judged; a later change of the sender's rights makes it stale."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whose changes would make it stale: the participant, and its token."""
        if self.member is None:
            return ()
        return (self.member.id, token_subject(self.member.record.jti))


def token_subject(jti: str) -> str:
    """The name under which changes of one token are remembered; no participant id has a colon."""
    return f"jti:{jti}"
