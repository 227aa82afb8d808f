"""From cases to a file that calls: generator, training, adapter, merging, GGUF, constrained decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from router_agent.models.decoding import write_calls
from router_agent.models.dialects import Tool
from router_agent.models.functiongemma import FunctionGemma
from router_agent.models.llama import LlamaModel
from router_agent.training import Case, generate
from router_agent.training.gemma import GemmaShape, export_adapter, export_gemma, random_weights
from router_agent.training.merge import merge
from router_agent.training.tape import Node
from router_agent.training.tiny import cut, logits, told, train_adapter, train_whole

SHAPE = GemmaShape()
DIALECT = FunctionGemma()


def short_cases(count: int) -> list[Case]:
    """Generated cases whose prompts are short, so that single characters do."""
    found: list[Case] = []
    for case in generate(11, 3000):
        if case.expected and case.expected[0]["arguments"] and len(told(case, DIALECT)[0]) < 480:
            found.append(case)
        if len(found) == count:
            break
    return found


def called(path: Path, case: Case) -> list[tuple[str, dict[str, object]]]:
    """What the model in a file calls for a case's intent."""
    model = LlamaModel(path, context=1024, threads=1)
    try:
        tools = [Tool(one["name"], one["description"], one["parameters"]) for one in case.tools]
        return [(call.name, dict(call.arguments)) for call in write_calls(model, DIALECT, case.intent, tools)]
    finally:
        model.close()


def wanted(case: Case) -> list[tuple[str, dict[str, object]]]:
    return [
        (one["name"], {key: values[0] for key, values in one["arguments"].items()}) for one in case.expected
    ]


def test_what_is_trained_is_what_llama_runs(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    weights = {
        name: value * draw.uniform(0.5, 1.5, value.shape).astype(np.float32) if value.ndim == 1 else value * 3
        for name, value in random_weights(SHAPE, 3).items()
    }
    export_gemma(tmp_path / "model.gguf", SHAPE, weights)
    model = LlamaModel(tmp_path / "model.gguf", context=256, threads=1)
    try:
        text = "<start_of_turn>user\nturn on – the light 5<end_of_turn>\n"
        model.begin(model.tokens(text))
        found = model.logits().copy()
        assert model.tokens(text) == cut(text, SHAPE)
    finally:
        model.close()

    nodes = {name: Node(value) for name, value in weights.items()}
    ids = np.array([[SHAPE.pieces.index("<bos>"), *cut(text, SHAPE)]])
    by_hand = logits(SHAPE, nodes, ids).value[0, -1]

    np.testing.assert_allclose(found, by_hand, atol=0.02 * float(np.abs(by_hand).max()))


def test_gradients_are_those_of_small_steps() -> None:
    from router_agent.training.tape import surprise

    shape = GemmaShape(1, 16, 2, 1, 8, 24)
    weights = {
        name: value * 4 if value.ndim == 2 else value for name, value in random_weights(shape, 5).items()
    }
    ids = np.array([[1, 20, 300, 7]])
    goals = np.array([[20, -1, 7, 30]])

    def loss(changed: dict[str, np.ndarray]) -> float:
        return float(
            surprise(logits(shape, {name: Node(value) for name, value in changed.items()}, ids), goals).value
        )

    nodes = {name: Node(value) for name, value in weights.items()}
    surprise(logits(shape, nodes, ids), goals).backward()
    for name, node in nodes.items():
        assert node.gradient is not None
        way = np.sign(node.gradient).astype(np.float32) * np.float32(1e-3)
        rise = loss(weights | {name: weights[name] + way}) - loss(weights | {name: weights[name] - way})
        assert rise == pytest.approx(2e-3 * float(np.abs(node.gradient).sum()), rel=0.1, abs=2e-4), name


@pytest.mark.slow
def test_a_model_is_trained_adapted_merged_and_calls(tmp_path: Path) -> None:
    known, new = short_cases(2)
    weights = train_whole(SHAPE, random_weights(SHAPE, 1), [told(known, DIALECT)], steps=50)
    export_gemma(tmp_path / "base.gguf", SHAPE, weights)
    adapter = train_adapter(SHAPE, weights, [told(new, DIALECT)], steps=40, seed=2)
    export_adapter(tmp_path / "adapter.gguf", adapter, alpha=16.0)

    merge(tmp_path / "base.gguf", {tmp_path / "adapter.gguf": 1.0}, tmp_path / "merged.gguf")

    assert called(tmp_path / "base.gguf", known) == wanted(known)
    assert called(tmp_path / "merged.gguf", new) == wanted(new)
