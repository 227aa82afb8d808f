"""
What a line of `mcpx join` means: as a person types it, and as a script writes it in JSON.

Both come to the same commands. Pure: nothing is done here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import msgspec

from participants.cli.errors import UsageRefused
from schemas import JsonObject, PayloadError, RejectReason, parse_strictly

_T = TypeVar("_T")

HELP: Final = """\
text                      say it to everybody
/who                      who is here, and what they may do
/pending                  proposals that wait for a decision
/approve ID [TARGET]      carry a proposal out as it stands
/edit ID {json}           carry it out with other arguments (a tool's `arguments`)
/reject ID [REASON…]      refuse it and say why
/call TARGET TOOL {json}  call a tool; without the right to, propose it
/quit                     leave
A line that begins with two slashes is said with one."""


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


Command = Say | Who | Pending | Approve | Reject | Call | SendEnvelope | Help | Quit

_SIMPLE: Final[dict[str, Command]] = {
    "who": Who(),
    "pending": Pending(),
    "help": Help(),
    "?": Help(),
    "quit": Quit(),
    "exit": Quit(),
}

REASONS: Final = frozenset(reason.value for reason in RejectReason)
"""Codes that a rejection may carry."""


def parse_line(line: str) -> Command | None:
    """
    Read what a person typed; `None`: nothing.

    Raises:
        UsageRefused: it begins like a command and is none.
    """
    text = line.strip()
    if not text:
        return None
    if text.startswith("//"):
        return Say(text[1:])
    if not text.startswith("/"):
        return Say(text)
    name, _, rest = text[1:].partition(" ")
    command = _with_arguments(name, rest) if rest.strip() else _SIMPLE.get(name)
    if command is None:
        raise UsageRefused(f"/{name} is not understood like this", do="Type /help")
    return command


def _with_arguments(name: str, rest: str) -> Command | None:
    match name, rest.split():
        case ("approve", [proposal]):
            return Approve(_ref(proposal))
        case ("approve", [proposal, target]):
            return Approve(_ref(proposal), target)
        case ("edit", [proposal, _, *_]):
            return Approve(_ref(proposal), arguments=parse_object(rest.split(None, 1)[1]))
        case ("reject", [proposal]):
            return Reject(_ref(proposal))
        case ("reject", [proposal, *_]):
            return Reject(_ref(proposal), message=rest.split(None, 1)[1].strip())
        case ("call", [target, tool]):
            return Call(target, "tools/call", {"name": tool, "arguments": {}})
        case ("call", [target, tool, *_]):
            return Call(
                target, "tools/call", {"name": tool, "arguments": parse_object(rest.split(None, 2)[2])}
            )
        case _:
            return None


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """One command of a script: the member that names it, and what belongs to it."""

    tag: Any = None

    def command(self) -> Command:
        """The command that it stands for."""
        raise NotImplementedError


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


def _ref(text: str) -> str:
    return text.removeprefix("#")
