"""Members for tests of the gateway's rules: real ones, with an outbox that only records."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from capabilities import CapabilitySet
from gateway.core import Bucket, ConnectionRecord, Member, Mode, Rate
from schemas import PROTOCOL, CloseCode, JsonObject

NOW = 1_756_216_800.0
"""2025-08-26T14:00:00Z."""


@dataclass(slots=True)
class RecordingOutbox:
    """Keeps what a participant would have received."""

    sent: list[bytes] = field(default_factory=list)
    code: CloseCode | None = None
    behind: bool = False
    waiting_bytes: int = 0

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None:
        assert frames.endswith(envelopes[-1])
        self.sent += envelopes

    def send_long(self, head: bytes, envelopes: Sequence[bytes]) -> None:
        self.send(head + envelopes[0], envelopes)

    def close(self, code: CloseCode) -> None:
        self.code = code

    def is_behind(self) -> bool:
        return self.behind

    @property
    def envelopes(self) -> list[JsonObject]:
        """What was received, parsed."""
        return [json.loads(data) for data in self.sent]

    @property
    def kinds(self) -> list[str]:
        """The kinds received, in order."""
        return [envelope["kind"] for envelope in self.envelopes]

    def take(self) -> list[JsonObject]:
        """Return what was received since the last time."""
        envelopes = self.envelopes
        self.sent.clear()
        return envelopes


def seat(
    participant: str,
    *capabilities: str,
    connection: str | None = None,
    node: str = "n1",
    mode: Mode = Mode.ALL,
    rate: Rate | None = None,
    expires_at: float = math.inf,
    jti: str | None = None,
    iat: int = int(NOW),
) -> Member:
    """Make a member that may do what `capabilities` say."""
    record = ConnectionRecord(
        connection or f"{node}/{participant}",
        node,
        participant,
        capabilities,
        jti or f"jti-{participant}",
        iat,
        NOW,
    )
    return Member(
        topic="ops",
        record=record,
        capabilities=CapabilitySet.of(capabilities),
        mode=mode,
        expires_at=expires_at,
        outbox=RecordingOutbox(),
        bucket=Bucket(rate or Rate(1e9, 1e9), 0.0),
    )


def outbox(member: Member) -> RecordingOutbox:
    """Return what a member made by `seat` has received."""
    assert isinstance(member.outbox, RecordingOutbox)
    return member.outbox


def envelope(sender: str, kind: str = "chat", **members: Any) -> bytes:
    """Encode a valid envelope, with some members changed."""
    return orjson.dumps(
        {
            "protocol": PROTOCOL,
            "id": "e-1",
            "from": sender,
            "kind": kind,
            "payload": {"text": "hi"},
            **members,
        }
    )
