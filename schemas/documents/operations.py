"""One HTTP operation, described: routes are made from it, and so is the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from schemas.envelope import JsonObject


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the path, the query or the header."""

    name: str
    where: Literal["path", "query", "header"]
    description: str
    schema: JsonObject
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one path takes and answers."""

    id: str
    path: str
    """With its parameters in braces."""
    summary: str
    tag: str
    method: Literal["GET", "POST"] = "GET"
    answer: type[msgspec.Struct] | None = None
    """Record of a 200 in JSON."""
    answer_schema: JsonObject = field(default_factory=lambda: {"type": "string"})
    """Schema of a 200 that has no record."""
    body: type[msgspec.Struct] | None = None
    is_body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[str, ...] = ()
    """Codes of the problems that it may answer with."""
    is_secured: bool = True
    """Whether it needs an admin's token."""
    content_type: str = "application/json"
    """Of the 200."""
    other_answers: JsonObject = field(default_factory=dict[str, object])
    """Further responses, as OpenAPI has them, by status."""
