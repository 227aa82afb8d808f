"""FunctionGemma's way of writing tools and calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from router_agent.models.dialects import Call, Marks, Tool, UnreadableCall

_TASK = "You are a model that can do function calling with the following functions"
_ESCAPE = "<escape>"
_CALL = re.compile(
    r"<start_function_call>(.*?)(?:<end_function_call>|<start_function_response>|$)", re.DOTALL
)
_HEAD = re.compile(r"call:([^{\s]+)\{")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_KEY = re.compile(r"([^:{}\[\],]+):")
_CONTROL = re.compile(r"<(?:escape|bos|eos|start_[a-z_]+|end_[a-z_]+)>")
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

    def parse(self, text: str) -> list[Call]:
        return [_parse_call(found[1]) for found in _CALL.finditer(text)]


def _plain(text: str) -> str:
    return _CONTROL.sub("", text)


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


def _parse_call(text: str) -> Call:
    head = _HEAD.match(text)
    if head is None:
        raise UnreadableCall("a call has no name")
    reader = _Reader(text, head.end() - 1)
    arguments = reader.value(0)
    if not isinstance(arguments, dict) or text[reader.at :].strip():
        raise UnreadableCall("a call goes on after its arguments")
    return Call(head[1], arguments)


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self._text, self.at = text, at

    def value(self, depth: int) -> Any:
        """
        The value that begins here.

        Raises:
            UnreadableCall: none does, or it is nested too deep.
        """
        if depth > _DEEPEST:
            raise UnreadableCall("a value is nested too deep")
        if self._takes(_ESCAPE):
            end = self._text.find(_ESCAPE, self.at)
            if end < 0:
                raise UnreadableCall("a text has no end")
            found, self.at = self._text[self.at : end], end + len(_ESCAPE)
            return found
        if self._takes("{"):
            return self._members(depth)
        if self._takes("["):
            return self._items(depth)
        for word, meaning in (("true", True), ("false", False), ("null", None)):
            if self._takes(word):
                return meaning
        number = _NUMBER.match(self._text, self.at)
        if number is None:
            raise UnreadableCall("a value is none that can be read")
        self.at = number.end()
        return float(number[0]) if any(sign in number[0] for sign in ".eE") else int(number[0])

    def _members(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while not self._takes("}"):
            key = _KEY.match(self._text, self.at)
            if key is None:
                raise UnreadableCall("an argument has no name")
            self.at = key.end()
            out[key[1].strip()] = self.value(depth + 1)
            if not self._takes(",") and self._text[self.at : self.at + 1] != "}":
                raise UnreadableCall("arguments are not parted")
        return out

    def _items(self, depth: int) -> list[Any]:
        out: list[Any] = []
        while not self._takes("]"):
            out.append(self.value(depth + 1))
            if not self._takes(",") and self._text[self.at : self.at + 1] != "]":
                raise UnreadableCall("items are not parted")
        return out

    def _takes(self, word: str) -> bool:
        if not self._text.startswith(word, self.at):
            return False
        self.at += len(word)
        return True
