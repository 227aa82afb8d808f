"""A user's GGUF in llama.cpp, by random models of FunctionGemma's shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from router_agent.models.decoding import CannotDecode, write_calls
from router_agent.models.dialects import Tool
from router_agent.models.gguf_header import NotGguf, read_header
from router_agent.models.known_dialects import UnknownDialect
from router_agent.models.llama import LlamaModel
from router_agent.training.gemma import CONTROLS, GemmaShape, export_adapter, export_gemma, random_weights
from router_agent.training.merge import NotMergeable, merge

SHAPE = GemmaShape()
TOOLS = [
    Tool("light", "Switch the light", {"properties": {"on": {"type": "boolean"}}, "required": ["on"]}),
    Tool("mail", "", {}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gemma")
    export_gemma(out / "model.gguf", SHAPE, random_weights(SHAPE, 1))
    draw = np.random.default_rng(2)
    for name in ("one", "two"):
        pairs = {
            f"blk.{number}.attn_q.weight": (
                draw.normal(0, 0.5, (4, SHAPE.width)).astype(np.float32),
                draw.normal(0, 0.5, (SHAPE.heads * SHAPE.head, 4)).astype(np.float32),
            )
            for number in range(SHAPE.layers)
        }
        export_adapter(out / f"{name}.gguf", pairs, alpha=8.0)
    return out


@pytest.fixture
def model(folder: Path) -> Iterator[LlamaModel]:
    found = LlamaModel(folder / "model.gguf", context=1024, threads=1)
    yield found
    found.close()


def logits_of(model: LlamaModel, text: str) -> np.ndarray:
    model.begin(model.tokens(text))
    return model.logits().copy()


def test_a_file_says_what_it_is_without_llama(folder: Path) -> None:
    header = read_header(
        folder / "model.gguf", {"general.architecture", "tokenizer.ggml.tokens"}.__contains__
    )

    assert header["general.architecture"] == "gemma3"
    assert header["tokenizer.ggml.tokens"] == SHAPE.pieces


@pytest.mark.parametrize("size", [0, 3, 20, 400, 4000])
def test_a_file_that_is_cut_short_is_refused(folder: Path, tmp_path: Path, size: int) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes((folder / "model.gguf").read_bytes()[:size])

    with pytest.raises(NotGguf):
        read_header(broken)


def test_a_file_without_tokens_is_refused(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "model.gguf").read_bytes()
    (tmp_path / "mute.gguf").write_bytes(whole.replace(b"tokenizer.ggml.tokens", b"tokenizer.ggml.tokenx"))

    with pytest.raises(NotGguf, match="what its tokens are"):
        LlamaModel(tmp_path / "mute.gguf")


def test_control_tokens_are_read_as_one(model: LlamaModel) -> None:
    assert [SHAPE.pieces[token] for token in model.tokens("<escape>a 1<escape>")] == [
        "<escape>",
        "a",
        "\u2581",
        "1",
        "<escape>",
    ]


def test_no_text_of_others_brings_a_control_token_into_a_prompt(model: LlamaModel) -> None:
    def controls(said: str) -> list[str]:
        schema = {"properties": {said: {"description": said, "enum": [said]}}, "required": [said]}
        tokens = model.tokens(model.dialect.prompt(said, [Tool(said, said, schema)], None))
        return [SHAPE.pieces[token] for token in tokens if model.controls[token]]

    for control in CONTROLS:
        at = len(control) // 2
        assert controls(f"a{control}b{control[:at]}{control}{control[at:]}") == controls("ab"), control


def test_what_two_prompts_share_is_read_once_and_changes_nothing(model: LlamaModel) -> None:
    afresh = logits_of(model, "the same beginning, then b")
    logits_of(model, "the same beginning, and then something else")
    again = logits_of(model, "the same beginning, then b")

    np.testing.assert_allclose(again, afresh, atol=1e-3)


def test_a_random_model_writes_only_calls_that_are_offered(model: LlamaModel) -> None:
    for word in ("lights on", "write to Anna", "what is love"):
        try:
            calls = write_calls(model, model.dialect, word, TOOLS)
        except CannotDecode:
            continue
        assert {call.name for call in calls} <= {"light", "mail"}


def test_adapters_are_swapped_and_taken_off(model: LlamaModel, folder: Path) -> None:
    plain = logits_of(model, "hello")
    model.adapters.add("one", folder / "one.gguf")
    model.adapters.add("two", folder / "two.gguf")

    assert model.adapters.use({"one": 1.0})
    one = logits_of(model, "hello")
    assert model.adapters.use({"two": 1.0})
    two = logits_of(model, "hello")
    assert model.adapters.use({})
    back = logits_of(model, "hello")

    assert np.abs(one - plain).max() > 1e-3
    assert np.abs(two - one).max() > 1e-3
    np.testing.assert_allclose(back, plain, atol=1e-3)


def test_an_adapter_in_use_is_not_swapped_again(model: LlamaModel, folder: Path) -> None:
    model.adapters.add("one", folder / "one.gguf")
    model.adapters.use({"one": 1.0})
    model.begin(model.tokens("kept"))

    assert not model.adapters.use({"one": 1.0})
    assert model.remembered > 0


def test_a_merged_model_does_what_model_and_adapters_did(
    model: LlamaModel, folder: Path, tmp_path: Path
) -> None:
    model.adapters.add("one", folder / "one.gguf")
    model.adapters.add("two", folder / "two.gguf")
    model.adapters.use({"one": 1.0, "two": 0.5})
    wanted = logits_of(model, "switch on the light")

    changed = merge(
        folder / "model.gguf", {folder / "one.gguf": 1.0, folder / "two.gguf": 0.5}, tmp_path / "merged.gguf"
    )

    merged = LlamaModel(tmp_path / "merged.gguf", context=1024, threads=1)
    try:
        assert changed == SHAPE.layers
        np.testing.assert_allclose(logits_of(merged, "switch on the light"), wanted, atol=2e-2)
    finally:
        merged.close()


def test_an_adapter_of_another_model_is_refused(model: LlamaModel, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    export_adapter(
        other, {"blk.0.attn_q.weight": (np.ones((2, 9), np.float32), np.ones((9, 2), np.float32))}, 1.0
    )

    with pytest.raises(NotGguf):
        model.adapters.add("other", other)
    base = tmp_path / "base.gguf"
    export_gemma(base, SHAPE, random_weights(SHAPE, 1))
    with pytest.raises(NotMergeable):
        merge(base, {other: 1.0}, tmp_path / "out.gguf")


def test_a_model_of_unknown_dialect_is_refused(tmp_path: Path) -> None:
    export_gemma(tmp_path / "chat.gguf", SHAPE, random_weights(SHAPE, 1), template="{{ messages }}")

    with pytest.raises(UnknownDialect):
        LlamaModel(tmp_path / "chat.gguf")


def test_a_text_that_does_not_fit_is_refused(model: LlamaModel) -> None:
    with pytest.raises(CannotDecode, match="do not fit"):
        model.begin(model.tokens("word " * 1000))
