"""Named sets of capabilities (MCPx 4.1, Example Capability Sets)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from capabilities.errors import ProfileTaken, UnknownProfile
from capabilities.sets import CapabilitySet

PROFILES: Final[Mapping[str, CapabilitySet]] = MappingProxyType(
    {
        "full": CapabilitySet.of(["mcp/*", "chat"]),
        "proposal-only": CapabilitySet.of(["mcp/proposal:*", "mcp/response:*", "chat"]),
        "response-only": CapabilitySet.of(["mcp/response:*", "chat"]),
        "read-only": CapabilitySet.of(
            ["mcp/request:resources/read", "mcp/request:*/list", "mcp/response:*", "chat"]
        ),
        "tool-only": CapabilitySet.of(["mcp/request:tools/*", "mcp/response:tools/*", "chat"]),
        "server": CapabilitySet.of(["mcp/response:*", "mcp/request:notifications/*", "chat"]),
    }
)
"""The specification's five, and `server` for a bridge: it answers, and tells its progress."""


class Profiles(Mapping[str, CapabilitySet]):
    """The built-in profiles and those of the settings."""

    __slots__ = ("_by_name",)

    def __init__(self, extra: Mapping[str, Iterable[str]] = MappingProxyType({})) -> None:
        """
        Add `extra`, patterns by name, to the built-in ones.

        Raises:
            PatternError: one of the patterns is no capability.
            ProfileTaken: a name of `extra` is built in.
        """
        for name in extra:
            if name in PROFILES:
                raise ProfileTaken(name)
        self._by_name = {
            **PROFILES,
            **{name: CapabilitySet.of(patterns) for name, patterns in extra.items()},
        }

    def __getitem__(self, name: str) -> CapabilitySet:
        """
        Return the profile of that name.

        Raises:
            UnknownProfile: there is none.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownProfile(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)
