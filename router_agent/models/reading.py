"""What an encoder is shown and what it answers, as plain values: no array, no model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_KINDS = {"string", "integer", "number", "boolean", "array", "object"}


@dataclass(frozen=True, slots=True)
class Slot:
    """One value that a tool takes: a leaf of its JSON Schema."""

    name: str
    """Property names from the root, joined by dots: `"filter.max_price"`."""
    kind: str
    """JSON Schema's type: string, integer, number, boolean, array or object."""
    description: str = ""
    choices: tuple[str, ...] = ()
    """An enum's values as text; empty when any value may stand."""
    required: bool = False


@dataclass(frozen=True, slots=True)
class ToolPage:
    """A tool as an encoder sees it; its text was cleaned by whoever took it from the topic."""

    name: str
    description: str = ""
    slots: tuple[Slot, ...] = ()

    @property
    def text(self) -> str:
        """What a sentence vector of this tool is made from; equal texts have equal vectors."""
        names = ", ".join(words_of(slot.name) for slot in self.slots[:12])
        return f"{words_of(self.name)}: {self.description}" + (f" ({names})" if names else "")


@dataclass(frozen=True, slots=True)
class SpanReading:
    """Where in the intent a value may stand: `intent[start:end]`, and how probable that is."""

    start: int
    end: int
    probability: float


@dataclass(frozen=True, slots=True)
class SlotReading:
    """What one pass says of one slot; each group of probabilities, with its absence, adds up to one."""

    absent: float
    """How probable it is that the intent has no words for it."""
    spans: tuple[SpanReading, ...]
    """The most probable places, best first."""
    truth: tuple[float, float, float]
    """Not said, true, false: of use for booleans only."""
    choices: tuple[float, ...]
    """Not said, then the slot's choices in order, the first of them where there are many; empty without."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one pass over an intent and a tool says."""

    relevance: float
    """How probable it is that the tool does what the intent asks for."""
    slots: tuple[SlotReading, ...]
    """Of the tool's slots in order, the first of them where there are many."""


def words_of(name: str) -> str:
    """Spell an identifier out: `"getCurrentWeather_v2"` is `"get current weather v 2"`."""
    return " ".join(_WORD.findall(name)).lower() or name


def kind_of(schema: Mapping[str, Any]) -> str:
    """
    JSON Schema's one type for a property; a union's first type that is not null.

    Without a type, an enum decides by its first value; anything else reads as a string.
    """
    declared = schema.get("type")
    options = schema.get("anyOf") or schema.get("oneOf")
    named = [
        *(declared if isinstance(declared, list) else [declared]),
        *(
            one.get("type")
            for one in (options if isinstance(options, list) else ())
            if isinstance(one, Mapping)
        ),
    ]
    for kind in named:
        if isinstance(kind, str) and kind in _KINDS:
            return kind
    match schema.get("enum"):
        case [bool(), *_]:
            return "boolean"
        case [int(), *_]:
            return "integer"
        case [float(), *_]:
            return "number"
    return "string"
