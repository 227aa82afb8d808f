"""Calls that a generative model writes: whatever it holds likely, they parse and are offered."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from router_agent.models.decoding import MOST_TEXTS, CannotDecode, write_calls
from router_agent.models.dialects import Call, Dialect, Tool
from router_agent.models.functiongemma import FunctionGemma
from router_agent.models.hermes import Hermes

CONTROLS = ["<escape>", "<start_function_call>", "<end_function_call>",
            "<start_function_response>", "<start_of_turn>", "<end_of_turn>", "<|im_start|>",
            "<|im_end|>", "<tool_call>", "</tool_call>"]  # fmt: skip  # a list of words, not a line for each
LETTERS = ["\n", *map(chr, range(32, 127))]
VOCABULARY = [*CONTROLS, *LETTERS]


class DrunkModel:
    """A model whose likelihoods are noise, the same for the same text; its texts end some time."""

    def __init__(self, seed: int, favourite: str = "") -> None:
        self._seed, self._favourite, self.read = seed, favourite, list[int]()
        self.controls: NDArray[np.bool_] = np.arange(len(VOCABULARY)) < len(CONTROLS)
        self.numeric = np.array([n for n, text in enumerate(VOCABULARY) if text in set("0123456789-.")])
        self.ends = np.array([n for n, text in enumerate(VOCABULARY) if text in set(",}]")])

    def tokens(self, text: str) -> list[int]:
        out = []
        while text:
            piece = next((one for one in CONTROLS if text.startswith(one)), text[0])
            out.append(VOCABULARY.index(piece))
            text = text[len(piece) :]
        return out

    def begin(self, tokens: Sequence[int]) -> None:
        self.read = list(tokens)

    def push(self, tokens: Sequence[int]) -> None:
        self.read += tokens

    def logits(self) -> NDArray[np.float32]:
        draw = np.random.default_rng([self._seed, zlib.crc32(bytes(self.read))])
        found = draw.normal(0, 3, len(VOCABULARY)).astype(np.float32)
        for quote in ('"', "<escape>"):
            found[VOCABULARY.index(quote)] += 3
        if self._favourite:
            found[VOCABULARY.index(self._favourite)] += 100
        return found

    def spelled(self, token: int) -> bytes:
        return b"" if self.controls[token] else VOCABULARY[token].encode()

    @property
    def written(self) -> str:
        return "".join(VOCABULARY[token] for token in self.read)


TOOL = Tool(
    "weather.get",
    "",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "loud": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "sizes": {"type": "array", "items": {"type": "number"}},
            "filter": {"type": "object", "properties": {"max": {"type": "number"}}, "required": ["max"]},
        },
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
)
OTHERS = [TOOL, Tool("weather.get_all", "", {"type": "object", "properties": {}}), Tool("mail", "", {})]


def asked(dialect: Dialect, seed: int, tools: Sequence[Tool] = OTHERS) -> tuple[list[Call], DrunkModel]:
    """What a drunk model answers when it surely wants to call."""

    class Eager(DrunkModel):
        def logits(self) -> NDArray[np.float32]:
            found = super().logits()
            if self.read == self.tokens(dialect.prompt("hi", tools, None)):
                found[self.tokens(dialect.marks.opening)[0]] += 100
            return found

    model = Eager(seed)
    return write_calls(model, dialect, "hi", tools), model


@pytest.mark.parametrize("dialect", [FunctionGemma(), Hermes()])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_drunk_model_still_writes_calls_that_fit(dialect: Dialect, seed: int) -> None:
    try:
        calls, model = asked(dialect, seed)
    except CannotDecode:
        return  # a text without an end: nothing is called

    assert calls
    for call in calls:
        tool = next(tool for tool in OTHERS if tool.name == call.name)
        jsonschema_rs.validate(dict(tool.schema), dict(call.arguments))
    said = model.written.removeprefix(dialect.prompt("hi", OTHERS, None))
    learned = dialect.answer(calls)
    if "\\" not in said + learned:  # there are two ways to write a character in JSON
        assert numbers_alike(said.removesuffix(dialect.marks.stop)) == numbers_alike(
            learned.removesuffix(dialect.marks.stop)
        )


def numbers_alike(text: str) -> str:
    """A text in which numbers are written in one way, whatever their type is: `-0`, `0.0`, `1e+16`."""
    return re.sub(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?", lambda found: repr(float(found[0]) + 0.0), text)


@pytest.mark.parametrize("dialect", [FunctionGemma(), Hermes()])
def test_a_model_that_wants_no_call_makes_none(dialect: Dialect) -> None:
    assert write_calls(DrunkModel(1, favourite="S"), dialect, "hi", OTHERS) == []


def test_without_tools_nothing_is_called() -> None:
    assert write_calls(DrunkModel(1, favourite="<start_function_call>"), FunctionGemma(), "hi", []) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"n": {"enum": [1, 10]}}, "required": ["n"]},
        {"properties": {"n": {"enum": ["a", "a"]}}, "required": ["n"]},
    ],
)
def test_choices_that_cannot_be_told_apart_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(CannotDecode):
        asked(FunctionGemma(), 5, [Tool("t", "", schema)])


KEYWORDS = ["type", "properties", "required", "enum", "const", "items", "anyOf", "description"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["string", "array", "object", "a", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYWORDS, "a", "b"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("dialect", [FunctionGemma(), Hermes()])
@settings(max_examples=50, deadline=None)
@given(schema=st.dictionaries(st.sampled_from(KEYWORDS), ANY_JSON))
def test_whatever_a_stranger_calls_a_schema_is_answered_or_refused(
    dialect: Dialect, schema: dict[str, Any]
) -> None:
    with suppress(CannotDecode):
        assert asked(dialect, 5, [Tool("t", "", schema)])[0][0].name == "t"


def test_a_quote_behind_a_backslash_does_not_end_a_text() -> None:
    (call,) = write_calls(Quoter(1), Hermes(), "hi", [Tool("t", "", {**QUOTED, "required": ["a"]})])

    assert call.arguments == {"a": 'say "hi"'}


QUOTED = {"properties": {"a": {"type": "string"}}}


class Quoter(DrunkModel):
    """Wants a call, and writes a text with quotes in it, a token for each character."""

    def logits(self) -> NDArray[np.float32]:
        written, begun = self.written, '"a": "'
        wanted = r'say \"hi\""'
        at = len(written) - written.index(begun) - len(begun) if begun in written else -1
        found = np.zeros(len(VOCABULARY), np.float32)
        found[
            VOCABULARY.index("<tool_call>" if at < 0 else wanted[at] if at < len(wanted) else "<|im_end|>")
        ] = 9
        return found


def test_a_schema_that_nests_for_ever_is_refused() -> None:
    schema: dict[str, Any] = {"type": "object", "required": ["again"]}
    schema["properties"] = {"again": schema}
    deep = Tool("t", "", {"properties": {"again": schema}, "required": ["again"]})

    with pytest.raises(CannotDecode):
        asked(Undeclared(), 5, [deep])


class Talker(DrunkModel):
    """Wants a call, and writes thirty letters into every text."""

    def logits(self) -> NDArray[np.float32]:
        letter, quote = VOCABULARY.index("a"), VOCABULARY.index("<escape>")
        outside = VOCABULARY.index("<start_function_response>" if quote in self.read else CONTROLS[1])
        in_text = self.read.count(quote) % 2 == 1
        is_full = self.read[-30:] == [letter] * 30
        found = np.zeros(len(VOCABULARY), np.float32)
        found[outside if not in_text else quote if is_full else letter] = 9
        return found


@pytest.mark.parametrize(("count", "is_written"), [(5, True), (40, False)])
def test_a_schema_that_asks_for_many_texts_does_not_keep_a_model(*, count: int, is_written: bool) -> None:
    names = [f"t{number:02}" for number in range(count)]
    many = Tool("m", "", {"properties": {name: {} for name in names}, "required": names})
    model = Talker(1)
    try:
        (call,) = write_calls(model, Undeclared(), "hi", [many])
        written = dict(call.arguments)
    except CannotDecode:
        written = {}

    assert (written == dict.fromkeys(names, "a" * 30)) is is_written
    assert model.read.count(VOCABULARY.index("a")) <= MOST_TEXTS + count


class Undeclared(FunctionGemma):
    """Says nothing of its tools."""

    def prompt(self, *_: object) -> str:
        return "hi"
