"""What can be done in a sitting of `mcpx join`, however it was written. Pure: nothing is done here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from schemas import JsonObject, RejectReason

REASONS: Final = frozenset(reason.value for reason in RejectReason)
"""Codes that a rejection may carry."""


@dataclass(frozen=True, slots=True)
class Say:
    """Chat with everybody, or with some."""

    text: str
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Who:
    """List who is here."""


@dataclass(frozen=True, slots=True)
class Pending:
    """List the proposals that wait."""


@dataclass(frozen=True, slots=True)
class Approve:
    """Carry a proposal out; `edited` replaces its params, or a tool's `arguments`."""

    proposal: str
    target: str | None = None
    arguments: JsonObject | None = field(default=None, hash=False)
    """Instead of the `arguments` in the proposal's params."""
    params: JsonObject | None = field(default=None, hash=False)
    """Instead of the whole params."""


@dataclass(frozen=True, slots=True)
class ShowDraft:
    """Show a proposal's arguments as a line that can be changed and typed."""

    proposal: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse a proposal."""

    proposal: str
    reason: str = "denied"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """Ask for an MCP method, directly or by a proposal."""

    target: str | None
    method: str
    params: JsonObject = field(default_factory=dict[str, Any], hash=False)


@dataclass(frozen=True, slots=True)
class SendEnvelope:
    """Send one envelope of any kind."""

    kind: str
    payload: JsonObject = field(hash=False)
    to: tuple[str, ...] = ()
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Help:
    """Say what can be typed."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave the topic."""


Command = Say | Who | Pending | Approve | ShowDraft | Reject | Call | SendEnvelope | Help | Quit
