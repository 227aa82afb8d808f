"""
A small function caller of Gemma 3's shape, trained here: the way from cases to a file, walked whole.

It learns from prompts and answers that the dialect writes, the same that is used when it
runs. Adapters are trained on a model that stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from router_agent.models.dialects import Call, Dialect, Tool
from router_agent.training.cases import Case
from router_agent.training.gemma import CONTROLS, GemmaShape
from router_agent.training.tape import (
    Adam,
    Array,
    Node,
    added,
    attended,
    gated,
    linear,
    looked_up,
    normed,
    product,
    split,
    surprise,
    turned,
)

UNKNOWN = -1
Pairs = dict[str, tuple[Array, Array]]


def told(case: Case, dialect: Dialect) -> tuple[str, str]:
    """A case as prompt and answer."""
    tools = [Tool(str(one["name"]), str(one["description"]), one["parameters"]) for one in case.tools]
    calls = [Call(str(one["name"]), _first(one["arguments"])) for one in case.expected]
    return dialect.prompt(case.intent, tools, None), dialect.answer(calls)


def cut(text: str, shape: GemmaShape) -> list[int]:
    """The numbers of a text in a vocabulary of single characters, as llama.cpp cuts it."""
    pieces = shape.pieces
    numbers = {piece: number for number, piece in enumerate(pieces)}
    out: list[int] = []
    while text:
        control = next((one for one in CONTROLS if text.startswith(one)), None)
        if control is not None:
            out.append(numbers[control])
            text = text[len(control) :]
            continue
        letter, text = text[0], text[1:]
        piece = "\u2581" if letter == " " else letter
        out += (
            [numbers[piece]] if piece in numbers else [numbers[f"<0x{byte:02X}>"] for byte in letter.encode()]
        )
    return out


def logits(shape: GemmaShape, weights: Mapping[str, Node], ids: NDArray[np.int64]) -> Node:
    """What is likely after each place of `ids` (batch, place)."""
    hidden = looked_up(weights["token_embd.weight"], ids, shape.width**0.5)
    for number in range(shape.layers):
        at = f"blk.{number}."
        rows = normed(hidden, weights[at + "attn_norm.weight"])
        query = split(linear(rows, weights[at + "attn_q.weight"]), shape.heads)
        key = split(linear(rows, weights[at + "attn_k.weight"]), shape.kv_heads)
        value = split(linear(rows, weights[at + "attn_v.weight"]), shape.kv_heads)
        query = turned(normed(query, weights[at + "attn_q_norm.weight"]))
        key = turned(normed(key, weights[at + "attn_k_norm.weight"]))
        seen = linear(attended(query, key, value), weights[at + "attn_output.weight"])
        hidden = added(hidden, normed(seen, weights[at + "post_attention_norm.weight"]))
        rows = normed(hidden, weights[at + "ffn_norm.weight"])
        inner = gated(
            linear(rows, weights[at + "ffn_gate.weight"]), linear(rows, weights[at + "ffn_up.weight"])
        )
        raised = linear(inner, weights[at + "ffn_down.weight"])
        hidden = added(hidden, normed(raised, weights[at + "post_ffw_norm.weight"]))
    return linear(normed(hidden, weights["output_norm.weight"]), weights["token_embd.weight"])


def train_whole(
    shape: GemmaShape,
    weights: Mapping[str, Array],
    examples: Sequence[tuple[str, str]],
    *,
    steps: int,
    rate: float = 3e-3,
) -> dict[str, Array]:
    """Train all weights on prompts and answers; only the answers are learned."""
    nodes = {name: Node(value) for name, value in weights.items()}
    optimizer = Adam(nodes.values(), rate)
    ids, goals = _batch(shape, examples)
    for step in range(steps):
        surprise(logits(shape, nodes, ids), goals).backward()
        optimizer.step(1 - step / steps)
    return {name: node.value for name, node in nodes.items()}


def train_adapter(
    shape: GemmaShape,
    weights: Mapping[str, Array],
    examples: Sequence[tuple[str, str]],
    *,
    steps: int,
    seed: int,
    rank: int = 8,
    alpha: float = 16.0,
    rate: float = 1e-2,
) -> Pairs:
    """Train a LoRA adapter on the attention and feed-forward matrices; the model itself stays as it is."""
    draw = np.random.default_rng(seed)
    names = [name for name in weights if name.startswith("blk.") and weights[name].ndim == 2]
    down = {
        name: Node(draw.normal(0, 0.05, (rank, weights[name].shape[1])).astype(np.float32)) for name in names
    }
    up = {name: Node(np.zeros((weights[name].shape[0], rank), np.float32)) for name in names}
    fixed = {name: Node(value) for name, value in weights.items()}
    optimizer = Adam([*down.values(), *up.values()], rate)
    ids, goals = _batch(shape, examples)
    for step in range(steps):
        changed = dict(fixed)
        for name in names:
            changed[name] = added(fixed[name], product(up[name], down[name], alpha / rank))
        surprise(logits(shape, changed, ids), goals).backward()
        for node in fixed.values():
            node.gradient = None
        optimizer.step(1 - step / steps)
    return {name: (down[name].value, up[name].value) for name in names}


def _batch(
    shape: GemmaShape, examples: Sequence[tuple[str, str]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers and goals, each place's goal being the next place's number; prompts and padding have none."""
    bos = shape.pieces.index("<bos>")
    rows = [([bos, *cut(prompt, shape)], cut(answer, shape)) for prompt, answer in examples]
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = np.zeros((len(rows), longest), np.int64)
    goals = np.full((len(rows), longest), UNKNOWN, np.int64)
    for number, (prompt, answer) in enumerate(rows):
        whole = [*prompt, *answer]
        ids[number, : len(whole)] = whole
        goals[number, len(prompt) - 1 : len(whole) - 1] = answer
    return ids, goals


def _first(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {key: accepted[0] for key, accepted in arguments.items()}
