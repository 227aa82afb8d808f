"""
Demonstrations that other rooms bring to `mcpx run --demo NAME`.

A room adds one by an entry point in the group `mcpx.demos`: a callable that takes the folder
to work in, fills it where it is empty, and returns a `Demo`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, Protocol

from participants.cli.errors import UsageRefused
from participants.client import Participant

DEMOS_GROUP: Final = "mcpx.demos"
"""Entry-point group by which other rooms add demonstrations."""


class Demo(Protocol):
    """MCP servers to bridge, and one participant that does something with them."""

    @property
    def name(self) -> str:
        """Under which the participant takes part."""
        ...

    @property
    def capabilities(self) -> Sequence[str]:
        """What the participant may do."""
        ...

    @property
    def servers(self) -> Mapping[str, Sequence[str]]:
        """The command lines of the servers, by the names under which they take part."""
        ...

    @property
    def hints(self) -> Sequence[str]:
        """What a person could type in the chat page, one line each."""
        ...

    async def play(self, me: Participant, ready: Callable[[], None]) -> None:
        """Enter the topic, call `ready` once all of it can be used, and return when the connection ended."""
        ...


def load_demo(name: str, workspace: Path, *, known: Sequence[EntryPoint] | None = None) -> Demo:
    """
    Return the demonstration of that name, working in a folder; `known` stands for the installed ones.

    Raises:
        UsageRefused: there is none of that name.
        McpxError: something that it needs is not there.
    """
    found = {entry.name: entry for entry in (entry_points(group=DEMOS_GROUP) if known is None else known)}
    if name not in found:
        raise UsageRefused(
            f"There is no demonstration '{name}'",
            do=f"Choose one of: {', '.join(sorted(found))}" if found else "Install a package that brings one",
        )
    demo: Demo = found[name].load()(workspace)
    return demo
