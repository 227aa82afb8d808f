"""FunctionGemma's way of writing tools and calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from router_agent.models.dialects import Call, Marks, Tool

_TASK = "You are a model that can do function calling with the following functions"
_ESCAPE = "<escape>"
_CONTROL = re.compile(r"<(?:escape|bos|eos|pad|unk|mask|start_[a-z_]+|end_[a-z_]+)>")
_DEEPEST = 16


class FunctionGemma:
    """
    Texts stand between `<escape>`, nothing else is quoted, and names of types are capitals.

    `<escape>` and the other control tokens are taken out of what others wrote: a
    description that holds one would end its own text.
    """

    @property
    def marks(self) -> Marks:
        named, key = ("call:", "{"), ("", ":")
        return Marks(
            "<start_function_call>",
            named,
            _ESCAPE,
            key,
            "}<end_function_call>",
            "<start_function_call>",
            "<start_function_response>",
            sorts_keys=True,
        )

    def prompt(self, intent: str, tools: Sequence[Tool], today: date | None) -> str:
        when = f"Current date: {today.isoformat()} ({today:%A}). " if today else ""
        declared = "".join(
            f"<start_function_declaration>declaration:{_plain(tool.name)}{{description:{_text(tool.description)},"
            f"parameters:{_schema(tool.schema)}}}<end_function_declaration>"
            for tool in tools
        )
        return (
            f"<start_of_turn>developer\n{when}{_TASK}{declared}<end_of_turn>\n"
            f"<start_of_turn>user\n{_plain(intent)}<end_of_turn>\n<start_of_turn>model\n"
        )

    def answer(self, calls: Sequence[Call]) -> str:
        if not calls:
            return "I have no function for that.<end_of_turn>"
        written = "".join(
            f"<start_function_call>call:{_plain(call.name)}{_value(call.arguments)}<end_function_call>"
            for call in calls
        )
        return written + "<start_function_response>"


def _plain(text: str) -> str:
    # A blank, which no token holds: what stood on both sides of one would else form another.
    return _CONTROL.sub(" ", text)


def _text(text: str) -> str:
    return f"{_ESCAPE}{_plain(text)}{_ESCAPE}"


def _schema(schema: Mapping[str, Any], depth: int = 0) -> str:
    """One schema in braces: description, choices, members, then the type in capitals."""
    parts: list[str] = []
    if schema.get("description"):
        parts.append(f"description:{_text(str(schema['description']))}")
    if isinstance(schema.get("enum"), list):
        parts.append(f"enum:{_value([str(choice) for choice in schema['enum']])}")
    if isinstance(schema.get("items"), Mapping) and depth < _DEEPEST:
        parts.append(f"items:{_schema(schema['items'], depth + 1)}")
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and depth < _DEEPEST:
        members = ",".join(
            f"{_plain(str(name))}:{_schema(inner, depth + 1)}"
            for name, inner in sorted(properties.items())
            if isinstance(inner, Mapping)
        )
        parts.append(f"properties:{{{members}}}")
    if isinstance(schema.get("required"), list) and schema["required"]:
        parts.append(f"required:{_value([str(name) for name in schema['required']])}")
    kind = schema.get("type", "object" if properties else "string")
    kind = next((one for one in kind if one != "null"), "string") if isinstance(kind, list) else kind
    parts.append(f"type:{_text(str(kind).upper())}")
    return "{" + ",".join(parts) + "}"


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int() | float():
            return repr(value)
        case Mapping():
            inner = ",".join(f"{_plain(str(key))}:{_value(one)}" for key, one in sorted(value.items()))
            return f"{{{inner}}}"
        case [*items]:
            return "[" + ",".join(map(_value, items)) + "]"
        case _:
            return _text(str(value))
