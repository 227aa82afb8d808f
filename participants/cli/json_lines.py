"""What a script writes to `mcpx join --json`: one JSON object a line, one command each."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeVar

import msgspec

from participants.cli.commands import (
    REASONS,
    Approve,
    Call,
    Command,
    Pending,
    Quit,
    Reject,
    Say,
    SendEnvelope,
    Who,
)
from participants.cli.errors import UsageRefused
from schemas import JsonObject, PayloadError, parse_strictly

_T = TypeVar("_T")


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """One command of a script: the member that names it, and what belongs to it."""

    tag: Any = None

    def command(self) -> Command:
        """The command that it stands for."""
        raise NotImplementedError  # each kind of line says it; this one only makes them one union


class _ChatLine(_Line):
    chat: str = ""
    to: list[str] = []

    def command(self) -> Command:
        return Say(self.chat, tuple(self.to))


class _WhoLine(_Line):
    who: Literal[True] = True

    def command(self) -> Command:
        return Who()


class _PendingLine(_Line):
    pending: Literal[True] = True

    def command(self) -> Command:
        return Pending()


class _QuitLine(_Line):
    quit: Literal[True] = True

    def command(self) -> Command:
        return Quit()


class _ApproveLine(_Line):
    approve: str = ""
    target: str | None = None
    arguments: dict[str, Any] | None = None
    params: dict[str, Any] | None = None

    def command(self) -> Command:
        return Approve(self.approve, self.target, self.arguments, self.params)


class _RejectLine(_Line):
    reject: str = ""
    reason: str = "denied"
    message: str = ""

    def command(self) -> Command:
        if self.reason not in REASONS:
            raise UsageRefused(f"{self.reason!r} is no reason", do=f"One of {', '.join(sorted(REASONS))}")
        return Reject(self.reject, self.reason, self.message)


class _CallLine(_Line):
    call: str | None = None
    tool: str | None = None
    arguments: dict[str, Any] | None = None
    method: str | None = None
    params: dict[str, Any] | None = None

    def command(self) -> Command:
        if (self.tool is None) == (self.method is None):
            raise UsageRefused("A call names a 'tool', or a 'method'", why="Exactly one of them")
        if self.method is not None:
            if self.arguments is not None:
                raise UsageRefused("A method takes 'params', a tool takes 'arguments'")
            return Call(self.call, self.method, self.params or {})
        if self.params is not None:
            raise UsageRefused("A method takes 'params', a tool takes 'arguments'")
        return Call(self.call, "tools/call", {"name": self.tool, "arguments": self.arguments or {}})


class _EnvelopeLine(_Line):
    kind: str = ""
    payload: dict[str, Any] = {}
    to: list[str] = []
    correlation_id: str | None = None

    def command(self) -> Command:
        return self.envelope()

    def envelope(self) -> SendEnvelope:
        return SendEnvelope(self.kind, self.payload, tuple(self.to), self.correlation_id)


_LINES: Final[dict[str, type[_Line]]] = {
    "chat": _ChatLine,
    "who": _WhoLine,
    "pending": _PendingLine,
    "quit": _QuitLine,
    "approve": _ApproveLine,
    "reject": _RejectLine,
    "call": _CallLine,
    "kind": _EnvelopeLine,
}
"""By the member that names the command."""


def parse_json_line(line: str) -> tuple[Command | None, Any]:
    """
    Read what a script wrote: one object with one command, and a `tag` to find the answer by.

    Raises:
        UsageRefused: it is none of the objects described in `mcpx join --help`.
    """
    if not line.strip():
        return None, None
    value = parse_object(line)
    names = [name for name in _LINES if name in value]
    if len(names) != 1:
        raise UsageRefused("This line is no command", why="It has one of the members " + ", ".join(_LINES))
    shaped = _shaped(value, _LINES[names[0]])
    return shaped.command(), shaped.tag


def parse_envelope(value: JsonObject) -> SendEnvelope:
    """
    Read the parts of an envelope that are its sender's to choose.

    Raises:
        UsageRefused: a part is missing, mistyped, or not the sender's to choose.
    """
    for name in ("kind", "payload"):
        if name not in value:
            raise UsageRefused(f"An envelope has a {name!r}")
    return _shaped(value, _EnvelopeLine).envelope()


def parse_object(text: str) -> JsonObject:
    """
    Read a JSON object that two readers would read alike.

    Raises:
        UsageRefused: it is none.
    """
    try:
        value = parse_strictly(text.encode())
    except PayloadError as error:
        raise UsageRefused("This is no JSON", why=str(error)) from None
    return _shaped(value, dict[str, Any])


def _shaped(value: Any, shape: type[_T]) -> _T:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise UsageRefused("This line is not understood", why=str(error)) from None
