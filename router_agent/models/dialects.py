"""
How models that call functions are spoken to, and how they answer.

A model was trained on one way of writing tools and calls; another way costs it most of
what it can do: `router_agent.models.known_dialects` chooses it from the file's own template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as a generative model is told of it."""

    name: str
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of its arguments."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a model wrote."""

    name: str
    arguments: Mapping[str, Any]


class Dialect(Protocol):
    """One way of writing. The same object writes what is trained on and what is asked."""

    @property
    def marks(self) -> Marks:
        """The fixed parts of a call."""
        ...

    def prompt(self, intent: str, tools: Sequence[Tool], today: date | None) -> str:
        """Everything up to where the model's own words begin; without the first token, `<bos>`."""
        ...

    def answer(self, calls: Sequence[Call]) -> str:
        """What the model should write: these calls, or that there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Marks:
    """What is the same in every call, so that it need not be decoded."""

    opening: str
    """What begins a call; a model whose likeliest first words are others wants none."""
    named: tuple[str, str]
    """What stands before and after a tool's name."""
    quote: str
    """What stands on both sides of a text."""
    key: tuple[str, str]
    """What stands on both sides of an argument's name; the colon is part of it."""
    closing: str
    """What ends a call, from the brace that ends its arguments."""
    again: str
    """What begins another call behind one."""
    stop: str
    """What ends an answer after its last call."""
    sorts_keys: bool
    """Arguments are written in the order of their names, not of their schema."""
