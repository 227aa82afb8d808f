"""
What a command says when it cannot do what it was asked, and the status it exits with.

    McpxError
      CommandError       what went wrong, why, and what to do about it
        UsageRefused
"""

from __future__ import annotations

from enum import IntEnum

from schemas import McpxError


class ExitCode(IntEnum):
    """How `mcpx` ends; scripts may rely on it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    """A rule said no: a capability, a token, a person who rejected."""
    UNREACHABLE = 4
    INTERRUPTED = 130
    """Ctrl-C."""


class CommandError(McpxError):
    """A command cannot go on; the text is for the person who typed it."""

    def __init__(self, what: str, *, why: str = "", do: str = "", code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(what, why, do, code)
        self.what, self.why, self.do, self.code = what, why, do, code

    def __str__(self) -> str:
        return self.what


class UsageRefused(CommandError):
    """The command line itself is wrong."""

    def __init__(self, what: str, *, why: str = "", do: str = "") -> None:
        super().__init__(what, why=why, do=do, code=ExitCode.USAGE)
