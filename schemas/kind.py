"""What an envelope is: `FAMILY:METHOD[:CONTEXT]`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from schemas.errors import KindError

MAX_KIND_BYTES: Final = 2048
"""Bytes of a kind's wire form; longer ones are refused."""

_KINDS_REMEMBERED: Final = 8192
"""Parsed kinds kept; a busy topic uses far fewer, a hostile sender evicts only itself."""

_RESERVED_FAMILIES: Final = frozenset({"system", "presence"})


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A kind, split into its parts (MCPx 3, Message Envelope; 3.1).

    `method` and `context` are `None` where the wire form has no such part:
    `chat` is a family alone.
    """

    family: str
    method: str | None = None
    context: str | None = None
    is_reserved: bool = field(init=False, repr=False, compare=False)
    """
    Whether only the gateway may send it (MCPx 4.1, Reserved Namespace).

    Look-alikes in other letter case are reserved too, so that no reader
    who folds case takes a participant for the gateway.
    """

    @classmethod
    def parse(cls, text: str) -> Kind:
        """
        Parse the wire form of a kind (MCPx 3.1).

        `"mcp/request:tools/call:read_file"` has family `"mcp/request"`, method
        `"tools/call"` and context `"read_file"`. Only the first two colons
        separate: a context may be a URI.

        Raises:
            KindError: `text` is no kind; the error says which rule it breaks.
        """
        return parse_kind(text)

    def __post_init__(self) -> None:
        family = self.family.lower()
        is_reserved = family in _RESERVED_FAMILIES or family.startswith(("system/", "presence/"))
        object.__setattr__(self, "is_reserved", is_reserved)  # asked for each envelope

    def with_family(self, family: str) -> Kind:
        """Return the same method and context under another family, as a fulfillment does."""
        return Kind(family, self.method, self.context)

    def __str__(self) -> str:
        if self.method is None:
            return self.family
        if self.context is None:
            return f"{self.family}:{self.method}"
        return f"{self.family}:{self.method}:{self.context}"


def is_kind_text(text: str) -> bool:
    """Whether every character may stand in a kind: printable ASCII without spaces."""
    return text.isascii() and text.isprintable() and " " not in text


@lru_cache(maxsize=_KINDS_REMEMBERED)
def parse_kind(text: str) -> Kind:
    """As `Kind.parse`, and one object for one text."""
    if not text:
        raise KindError(text, "it is empty")
    if len(text) > MAX_KIND_BYTES:
        raise KindError(text, f"it is longer than {MAX_KIND_BYTES} bytes")
    if not is_kind_text(text):
        raise KindError(text, "only printable ASCII without spaces may stand in it")
    family, *rest = text.split(":", 2)
    if not all((family, *rest)):
        raise KindError(text, "one of its parts is empty")
    if "*" in family or (rest and "*" in rest[0]):
        raise KindError(text, "'*' may stand in its context only")
    return Kind(family, *rest)
