"""Tools as the router sees them, and the catalogue of those in view."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from router_agent.core.parameters import Parameter, parameters_of
from router_agent.core.untrusted import clean
from router_agent.models.reading import Slot, ToolPage

MOST_TOOLS: Final = 1_000
MOST_BYTES: Final = 4 * 1024 * 1024
"""What one catalogue holds of tools' JSON; more is left out, and said."""


@dataclass(frozen=True)
class Tool:
    """One tool of one participant, as advertised."""

    participant: str
    name: str
    """Exactly as advertised: dots and slashes mean nothing."""
    description: str = ""
    """Cleaned; untrusted all the same."""
    schema: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Its JSON Schema of arguments."""
    read_only: bool = False
    destructive: bool = False
    """Its own hint; one that lies can only make the router more careful, or be found out."""

    @classmethod
    def read(cls, participant: str, advertised: Mapping[str, Any]) -> Tool | None:
        """Read one entry of `tools/list`, or of a file of cases; `None` when it is none."""
        name = advertised.get("name")
        if not isinstance(name, str) or not name or len(name) > 256:
            return None
        schema = advertised.get("inputSchema", advertised.get("parameters"))
        hints = advertised.get("annotations")
        hints = hints if isinstance(hints, Mapping) else {}
        read_only = hints.get("readOnlyHint") is True
        return cls(
            participant,
            name,
            clean(str(advertised.get("description") or advertised.get("title") or "")),
            schema if isinstance(schema, Mapping) else {},
            read_only=read_only,
            destructive=hints.get("destructiveHint") is True and not read_only,
        )

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others in a topic: whose it is, and its name."""
        return self.participant, self.name

    @cached_property
    def size(self) -> int:
        """What it weighs in a catalogue: characters of its description and its schema."""
        return len(self.description) + len(json.dumps(self.schema))

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The leaves of its schema, in order."""
        return tuple(parameters_of(self.schema))

    @cached_property
    def page(self) -> ToolPage:
        """The tool as an encoder sees it; slots in the order of `parameters`."""
        return ToolPage(
            clean(self.name),
            self.description,
            tuple(
                Slot(
                    ".".join(one.path),
                    one.kind,
                    one.description,
                    tuple(str(choice) for choice in one.choices if choice is not None),
                    required=one.required,
                )
                for one in self.parameters
            ),
        )

    @cached_property
    def fingerprint(self) -> str:
        """What changes when its name, description, schema or hints do: 64 hex digits."""
        said = [self.name, self.description, self.schema, self.read_only, self.destructive]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Catalogue:
    """The tools in view of one caller, in a fixed order."""

    tools: tuple[Tool, ...] = ()
    left_out: int = 0
    """How many were offered beyond what a catalogue holds."""

    @classmethod
    def of(cls, tools: Iterable[Tool]) -> Catalogue:
        """Make a catalogue; of two tools of one participant with one name, the first counts."""
        kept: dict[tuple[str, str], Tool] = {}
        left_out, held = 0, 0
        for tool in tools:
            if tool.key in kept:
                continue
            if len(kept) >= MOST_TOOLS or held + tool.size > MOST_BYTES:
                left_out += 1
                continue
            held += tool.size
            kept[tool.key] = tool
        return cls(tuple(kept.values()), left_out)

    def only(self, is_kept: Callable[[Tool], bool]) -> Catalogue:
        """Return those of its tools that are kept; itself when all are."""
        kept = tuple(filter(is_kept, self.tools))
        return self if len(kept) == len(self.tools) else Catalogue(kept, self.left_out)

    @cached_property
    def version(self) -> str:
        """What changes when any tool does."""
        said = "\n".join(f"{tool.participant}\t{tool.fingerprint}" for tool in self.tools)
        return hashlib.sha256(said.encode()).hexdigest()

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.tools)

    def __len__(self) -> int:
        return len(self.tools)
