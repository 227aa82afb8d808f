"""
Writes a call with a generative model that may only write calls that are offered.

What is fixed in a call is given to the model and never decoded; a tool's name, an
argument's name, a choice and a boolean are chosen among those there are; numbers take
digits only; a text ends at its quote. So a call always parses, names an offered tool and
has its required arguments, and a vocabulary of 262,144 costs no more than its logits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from router_agent.models.dialects import Call, Dialect, Marks, Tool
from router_agent.models.reading import kind_of

MOST_CALLS = 4
MOST_ITEMS = 32
MOST_TEXT = 192
"""Tokens of one text."""
MOST_TEXTS = 256
"""Tokens of all texts of an answer together: a stranger's schema may ask for many, and others wait."""
_DEEPEST = 6
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)?(?:\.\d*)?")


class CannotDecode(ValueError):
    """A schema or an answer that this way of decoding has no answer for; nothing is called."""


class Model(Protocol):
    """A language model with one text in its memory."""

    def tokens(self, text: str) -> list[int]:
        """The numbers of a text, control tokens among them; without a first token."""
        ...

    def begin(self, tokens: Sequence[int]) -> None:
        """Forget the text but for what it shares with these tokens, and read the rest of them."""
        ...

    def push(self, tokens: Sequence[int]) -> None:
        """Read on."""
        ...

    def logits(self) -> NDArray[np.float32]:
        """How likely each token is next, before any softmax; valid until the next `push`."""
        ...

    def spelled(self, token: int) -> bytes:
        """What a token stands for; empty for control tokens."""
        ...

    @property
    def controls(self) -> NDArray[np.bool_]:
        """Which tokens are control tokens."""
        ...

    @property
    def numeric(self) -> NDArray[np.int64]:
        """The tokens made of digits, a sign or a point alone."""
        ...

    @property
    def ends(self) -> NDArray[np.int64]:
        """The tokens that begin with a comma or a closing bracket."""
        ...


def write_calls(
    model: Model, dialect: Dialect, intent: str, tools: Sequence[Tool], today: date | None = None
) -> list[Call]:
    """
    Ask a model for the calls that an intent needs; none: it would say something else first.

    Raises:
        CannotDecode: a tool's schema, or what the model does with it, has no end here.
    """
    model.begin(model.tokens(dialect.prompt(intent, tools, today)))
    marks = dialect.marks
    opening = model.tokens(marks.opening)
    if not tools or int(model.logits().argmax()) != opening[0]:
        return []
    pen = _Pen(model, marks)
    calls: list[Call] = []
    model.push(opening)
    while True:
        calls.append(pen.call(tools))
        if len(calls) == MOST_CALLS or pen.choose([marks.stop, marks.again]) == 0:
            return calls


class _Pen:
    """Writes one answer, and counts what its texts may still take."""

    def __init__(self, model: Model, marks: Marks) -> None:
        self._model, self._marks, self._left = model, marks, MOST_TEXTS

    def call(self, tools: Sequence[Tool]) -> Call:
        before, after = self._marks.named
        tool = tools[self.choose([f"{before}{tool.name}{after}" for tool in tools])]
        arguments = self._members(tool.schema, 0, self._marks.closing)
        return Call(tool.name, arguments)

    def choose(self, texts: Sequence[str]) -> int:
        """Write the likeliest of some texts, token by token where they differ; its number."""
        left = {number: self._model.tokens(text) for number, text in enumerate(texts)}
        if len(set(map(tuple, left.values()))) < len(left):
            raise CannotDecode("two choices are written alike")
        at = 0
        while len(left) > 1:
            done = next((number for number, tokens in left.items() if len(tokens) == at), None)
            if done is not None:
                raise CannotDecode(f"{texts[done]!r} begins another choice")
            nexts = sorted({tokens[at] for tokens in left.values()})
            if len(nexts) > 1:
                best = nexts[int(self._model.logits()[nexts].argmax())]
                left = {number: tokens for number, tokens in left.items() if tokens[at] == best}
            common = at + 1
            while all(len(tokens) > common for tokens in left.values()) and (
                len({tokens[common] for tokens in left.values()}) == 1
            ):
                common += 1
            chosen = next(iter(left.values()))
            self._model.push(chosen[at:common])
            at = common
        number, tokens = next(iter(left.items()))
        self._model.push(tokens[at:])
        return number

    def _members(self, schema: Mapping[str, Any], depth: int, closing: str) -> dict[str, Any]:
        """The members of an object whose brace is open; `closing` ends with closing it."""
        if depth > _DEEPEST:
            raise CannotDecode("a schema is nested too deep")
        properties = schema.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        names = sorted(properties) if self._marks.sorts_keys else list(properties)
        wanted = schema.get("required")
        required = {name for name in names if name in wanted} if isinstance(wanted, list) else set()
        out: dict[str, Any] = {}
        at = 0
        while at <= len(names):
            until = next((number for number in range(at, len(names)) if names[number] in required), None)
            open_to = names[at:] if until is None else names[at : until + 1]
            comma = ("," if self._marks.sorts_keys else ", ") if out else ""
            texts = [f"{comma}{self._marks.key[0]}{name}{self._marks.key[1]}" for name in open_to]
            if until is None:
                texts.append(closing)
            number = self.choose(texts)
            if number == len(open_to):
                return out
            name = open_to[number]
            out[name] = self._value(properties[name], depth + 1)
            at += number + 1
        raise AssertionError("the closing is a choice at the end")

    def _value(self, schema: Any, depth: int) -> Any:
        schema = schema if isinstance(schema, Mapping) else {}
        if depth > _DEEPEST:
            raise CannotDecode("a schema is nested too deep")
        choices = _choices(schema)
        if choices:
            return choices[self.choose([self._rendered(choice) for choice in choices])]
        match kind_of(schema):
            case "boolean":
                return self.choose(["true", "false"]) == 0
            case "integer":
                return int(self._number(whole=True))
            case "number":
                return float(self._number(whole=False))
            case "array":
                return self._items(schema.get("items"), depth)
            case "object":
                self._model.push(self._model.tokens("{"))
                return self._members(schema, depth, "}")
            case _:
                self._model.push(self._model.tokens(self._marks.quote))
                return self._text()

    def _rendered(self, choice: Any) -> str:
        if isinstance(choice, str):
            inner = json.dumps(choice, ensure_ascii=False)[1:-1] if self._marks.quote == '"' else choice
            return f"{self._marks.quote}{inner}{self._marks.quote}"
        return json.dumps(choice)

    def _items(self, schema: Any, depth: int) -> list[Any]:
        inner = schema if isinstance(schema, Mapping) else {}
        texts = kind_of(inner) == "string" and not _choices(inner)
        start = self._marks.quote if texts else ""
        if not texts:
            self._model.push(self._model.tokens("["))  # a list that is not of texts has one item at least
        elif self.choose(["[]", "[" + start]) == 0:
            return []
        out: list[Any] = []
        comma = "," if self._marks.sorts_keys else ", "
        while True:
            out.append(self._text() if texts else self._value(inner, depth + 1))
            if len(out) == MOST_ITEMS:
                self._model.push(self._model.tokens("]"))
                return out
            if self.choose(["]", comma + start]) == 0:
                return out

    def _text(self) -> str:
        """Text up to the closing quote; whatever control token would come first is passed over."""
        quote = self._model.tokens(self._marks.quote)[0]
        barred = self._model.controls.copy()
        barred[quote] = False
        found = b""
        for _ in range(min(MOST_TEXT, self._left)):
            self._left -= 1
            logits = np.where(barred, -np.inf, self._model.logits())
            token = int(logits.argmax())
            piece = self._model.spelled(token)
            cut = _quote_at(found, piece) if self._marks.quote == '"' else 0 if token == quote else -1
            if cut >= 0:
                self._model.push(self._model.tokens(piece[:cut].decode(errors="ignore") + self._marks.quote))
                return self._meant(found + piece[:cut])
            found += piece
            self._model.push([token])
        raise CannotDecode("a text has no end")

    def _meant(self, found: bytes) -> str:
        text = found.decode(errors="replace")
        if self._marks.quote != '"':
            return text
        try:
            return str(json.loads(f'"{text}"', strict=False))
        except ValueError as cause:
            raise CannotDecode("a text is no JSON") from cause

    def _number(self, *, whole: bool) -> str:
        allowed, ends = self._model.numeric, self._model.ends
        written = ""
        for _ in range(20):
            logits = self._model.logits()
            fitting = [
                int(token)
                for token in allowed[np.argsort(logits[allowed])[::-1][:12]]
                if _continues(written + self._model.spelled(int(token)).decode(), whole=whole)
            ]
            over = written[-1:].isdigit() and logits[ends].max() > max(
                (logits[one] for one in fitting), default=-np.inf
            )
            if over or not fitting:
                break
            written += self._model.spelled(fitting[0]).decode()
            self._model.push([fitting[0]])
        if not written[-1:].isdigit():
            raise CannotDecode("a number has no digits")
        return written


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    """The values among which one is picked; none where any may stand."""
    if "const" in schema:
        return [schema["const"]]
    choices = schema.get("enum")
    return choices if isinstance(choices, list) else []


def _continues(text: str, *, whole: bool) -> bool:
    return bool(_NUMBER.fullmatch(text)) and not (whole and "." in text) and not text.startswith((".", "-."))


def _quote_at(before: bytes, piece: bytes) -> int:
    """Where in a piece the quote stands that no backslash hides; -1 for nowhere."""
    hidden = (len(before) - len(before.rstrip(b"\\"))) % 2 == 1
    for at, letter in enumerate(piece):
        if hidden:
            hidden = False
        elif letter == ord("\\"):
            hidden = True
        elif letter == ord('"'):
            return at
    return -1
