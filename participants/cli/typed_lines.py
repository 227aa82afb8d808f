"""What a person types in `mcpx join`."""

from __future__ import annotations

from typing import Final

from participants.cli.commands import Approve, Call, Command, Help, Pending, Quit, Reject, Say, ShowDraft, Who
from participants.cli.errors import UsageRefused
from participants.cli.json_lines import parse_object

HELP: Final = """\
text                      say it to everybody
/who                      who is here, and what they may do
/pending                  proposals that wait for a decision
/approve ID [TARGET]      carry a proposal out as it stands
/edit ID                  show its arguments as a line to change and send
/edit ID {json}           carry it out with these arguments
/reject ID [REASON…]      refuse it and say why
/call TARGET TOOL {json}  call a tool; without the right to, propose it
/quit                     leave
A line that begins with two slashes is said with one."""

_SIMPLE: Final[dict[str, Command]] = {
    "who": Who(),
    "pending": Pending(),
    "help": Help(),
    "?": Help(),
    "quit": Quit(),
    "exit": Quit(),
}


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
        case ("edit", [proposal]):
            return ShowDraft(_ref(proposal))
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


def _ref(text: str) -> str:
    return text.removeprefix("#")
