"""
What a line of `mcpx join` means: as a person types it, and as a script writes it in JSON.

Both come to the same commands. Pure: nothing is done here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from participants.cli.errors import UsageRefused
from schemas import JsonObject, PayloadError, parse_strictly

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
    params: JsonObject = field(default_factory=dict, hash=False)


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

REASONS: Final = frozenset({"denied", "policy", "invalid", "expired", "busy"})
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
    words = rest.split()
    match name, words:
        case ("who", []):
            return Who()
        case ("pending", []):
            return Pending()
        case ("help" | "?", []):
            return Help()
        case ("quit" | "exit", []):
            return Quit()
        case ("approve", [proposal]):
            return Approve(_ref(proposal))
        case ("approve", [proposal, target]):
            return Approve(_ref(proposal), target)
        case ("edit", [proposal, _, *_]):
            return Approve(_ref(proposal), arguments=_object(rest.split(None, 1)[1]))
        case ("reject", [proposal, *_]):
            message = rest.split(None, 1)[1] if len(words) > 1 else ""
            return Reject(_ref(proposal), message=message)
        case ("call", [target, tool, *_]):
            parts = rest.split(None, 2)
            arguments = _object(parts[2]) if len(parts) == 3 else {}
            return Call(target, "tools/call", {"name": tool, "arguments": arguments})
        case _:
            raise UsageRefused(f"/{name} is not understood like this", do="Type /help")


def parse_json_line(line: str) -> tuple[Command | None, Any]:
    """
    Read what a script wrote: one object with one command, and a `tag` to find the answer by.

    Raises:
        UsageRefused: it is none of the objects described in `mcpx join --help`.
    """
    if not line.strip():
        return None, None
    value = _object(line)
    tag = value.pop("tag", None)
    match value:
        case {"chat": str(text), **rest} if rest.keys() <= {"to"}:
            return Say(text, _names(rest.get("to", []))), tag
        case {"who": True, **rest} if not rest:
            return Who(), tag
        case {"pending": True, **rest} if not rest:
            return Pending(), tag
        case {"quit": True, **rest} if not rest:
            return Quit(), tag
        case {"approve": str(proposal), **rest} if rest.keys() <= {"target", "arguments", "params"}:
            target, arguments, params = rest.get("target"), rest.get("arguments"), rest.get("params")
            _check(target is None or isinstance(target, str), "target", "a participant id")
            _check(arguments is None or isinstance(arguments, dict), "arguments", "an object")
            _check(params is None or isinstance(params, dict), "params", "an object")
            return Approve(proposal, target, arguments, params), tag
        case {"reject": str(proposal), **rest} if rest.keys() <= {"reason", "message"}:
            reason, message = rest.get("reason", "denied"), rest.get("message", "")
            _check(
                isinstance(reason, str) and reason in REASONS,
                "reason",
                f"one of {', '.join(sorted(REASONS))}",
            )
            _check(isinstance(message, str), "message", "a text")
            return Reject(proposal, reason, message), tag
        case {"call": str(target), "tool": str(tool), **rest} if rest.keys() <= {"arguments"}:
            arguments = rest.get("arguments", {})
            _check(isinstance(arguments, dict), "arguments", "an object")
            return Call(target, "tools/call", {"name": tool, "arguments": arguments}), tag
        case {"call": str() | None as target, "method": str(method), **rest} if rest.keys() <= {"params"}:
            params = rest.get("params", {})
            _check(isinstance(params, dict), "params", "an object")
            return Call(target, method, params), tag
        case {"kind": str(), "payload": dict()}:
            return parse_envelope(value), tag
        case _:
            raise UsageRefused("This line is no command", why="See `mcpx join --help`")


def parse_envelope(value: JsonObject) -> SendEnvelope:
    """
    Read the parts of an envelope that are its sender's to choose.

    Raises:
        UsageRefused: a part is missing, mistyped, or not the sender's to choose.
    """
    kind, payload, correlation_id = value.get("kind"), value.get("payload"), value.get("correlation_id")
    unknown = value.keys() - {"kind", "payload", "to", "correlation_id"}
    _check(
        not unknown,
        ", ".join(sorted(unknown)),
        "left out: kind, payload, to and correlation_id are yours to choose",
    )
    if not isinstance(kind, str):
        raise UsageRefused("'kind' must be a text")
    if not isinstance(payload, dict):
        raise UsageRefused("'payload' must be an object")
    if correlation_id is not None and not isinstance(correlation_id, str):
        raise UsageRefused("'correlation_id' must be a text")
    return SendEnvelope(kind, payload, _names(value.get("to", [])), correlation_id)


def parse_object(text: str) -> JsonObject:
    """
    Read a JSON object that two readers would read alike.

    Raises:
        UsageRefused: it is none.
    """
    return _object(text)


def _ref(text: str) -> str:
    return re.sub(r"^#", "", text)


def _object(text: str) -> JsonObject:
    try:
        value = parse_strictly(text.encode())
    except PayloadError as error:
        raise UsageRefused("This is no JSON", why=str(error)) from None
    if not isinstance(value, dict):
        raise UsageRefused("A JSON object is expected", why=f"It begins with {text.strip()[:1]!r}")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise UsageRefused("'to' must be a list of participant ids")
    return tuple(value)


def _check(holds: bool, name: str, expected: str) -> None:
    if not holds:
        raise UsageRefused(f"{name!r} must be {expected}")
