"""The loop that trains the encoder, in small; needs torch, and is skipped without it."""

from __future__ import annotations

from string import ascii_lowercase, digits

import pytest

pytest.importorskip("torch", reason="only training needs torch: the extra router-train brings it")

import torch

from router_agent.models.wordpiece import WordPiece
from router_agent.training import generate
from router_agent.training.network import Encoder, Shape
from router_agent.training.train import Plan, layers_of, settle, train

CHARACTERS = ascii_lowercase + digits + ".,:;?!'()-_/@"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, *(f"##{one}" for one in CHARACTERS)]
PIECES = WordPiece(VOCABULARY)
CASES = list(generate(5, 24))


def small_encoder() -> Encoder:
    torch.manual_seed(1)
    return Encoder(Shape(vocabulary=len(VOCABULARY), width=24, layers=3, heads=2, inner=16, positions=256))


def told(losses: list[dict[str, float]], name: str) -> list[float]:
    return [one[name] for one in losses if name in one]


def test_training_learns_which_tool_is_meant_and_leaves_what_lies_below() -> None:
    encoder, losses = small_encoder(), list[dict[str, float]]()
    words = encoder.words.weight.detach().clone()

    plan = Plan(60, seed=1, lessons=4, rate=1e-3, warm_up=4)
    train(encoder, PIECES, CASES, plan, lambda _, found: losses.append(found))

    relevance = told(losses, "relevance")
    assert len(losses) == 60
    assert sum(relevance[-10:]) < sum(relevance[:10])
    assert torch.equal(encoder.words.weight, words)


def test_heads_settle_on_layers_that_were_taken_part_of_the_way_back() -> None:
    encoder, steps = small_encoder(), list[int]()
    begun = layers_of(encoder)
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            if name in begun:
                value.add_(1.0)
    heads = encoder.match.weight.detach().clone()

    plan = Plan(10, seed=1, lessons=4, settle=3, share=0.75)
    settle(encoder, begun, PIECES, CASES, plan, lambda step, _: steps.append(step))

    assert steps == [11, 12, 13]
    for name, value in layers_of(encoder).items():
        torch.testing.assert_close(value, begun[name] + 0.75)
    assert not torch.equal(encoder.match.weight, heads)
