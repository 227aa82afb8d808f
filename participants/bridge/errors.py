"""
What can go wrong between a bridge and its server.

    ParticipantError
      BridgeError
        ChildNotStarted    the command cannot be run, or ended before it could be met
        ChildNotMet        it runs, and does not speak MCP
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from participants.errors import ParticipantError

RESTARTING: Final = -32000
"""JSON-RPC error code: the server behind the bridge is not there now, or ended during the call."""


class BridgeError(ParticipantError):
    """The root of what a bridge raises."""


class ChildNotStarted(BridgeError):
    """The command cannot be run, or ended at once; `last_words` is the end of its standard error."""

    def __init__(self, command: str, why: str, last_words: Sequence[str] = ()) -> None:
        super().__init__(command, why, last_words)
        self.command, self.why, self.last_words = command, why, tuple(last_words)

    def __str__(self) -> str:
        said = "".join(f"\n  {line}" for line in self.last_words)
        return f"{self.command!r} did not start: {self.why}{said}"


class ChildNotMet(BridgeError):
    """The command runs, but answers neither `server/discover` nor `initialize`."""

    def __init__(self, command: str, why: str, last_words: Sequence[str] = ()) -> None:
        super().__init__(command, why, last_words)
        self.command, self.why, self.last_words = command, why, tuple(last_words)

    def __str__(self) -> str:
        said = "".join(f"\n  {line}" for line in self.last_words)
        return f"{self.command!r} runs but is no MCP server: {self.why}{said}"
