"""The encoder in llama.cpp, by a random one of its shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from router_agent.batching import BatchedEncoder
from router_agent.models import Slot, ToolPage
from router_agent.models.encoder import LlamaEncoder
from router_agent.models.gguf_header import NotGguf
from router_agent.models.heads import Asked, Heads, whole_words
from router_agent.models.layout import MOST_CHOICES, MOST_TEXTS, sentence
from router_agent.training.export import export_encoder
from router_agent.training.gemma import GemmaShape, export_gemma, random_weights
from tests.router_agent.models.test_reading_and_layout import PIECES, VOCABULARY

WIDTH, INNER, HEAD, LAYERS, ATTENTION = 64, 128, 32, 2, 2
Weights = dict[str, NDArray[np.float32]]
TOOL = ToolPage(
    "weather",
    "weather in paris",
    (Slot("in", "string"), Slot("unit", "string", choices=("c", "f")), Slot("er", "boolean")),
)


def some_weights(seed: int) -> Weights:
    """Random weights under the names that training gives them."""
    draw = np.random.default_rng(seed)
    sizes: dict[str, tuple[int, ...]] = {
        "words.weight": (len(VOCABULARY), WIDTH),
        "places.weight": (512, WIDTH),
    }
    sizes["kinds.weight"] = (2, WIDTH)
    maps = {
        "asked": (3 * HEAD, WIDTH),
        "found": (3 * HEAD, WIDTH),
        "truth": (3, 3 * WIDTH),
        "chooser": (HEAD, 2 * WIDTH),
        "choice": (HEAD, WIDTH),
        "unchosen": (1, 2 * WIDTH),
    }
    maps |= {"match": (HEAD, 2 * WIDTH), "relevance": (1, HEAD)}
    norms = ["norm"]
    for number in range(LAYERS):
        at = f"layers.{number}."
        maps |= {at + "qkv": (3 * WIDTH, WIDTH), at + "out": (WIDTH, WIDTH), at + "up": (INNER, WIDTH)}
        maps |= {at + "down": (WIDTH, INNER)}
        norms += [at + "norm", at + "last_norm"]
    for name, size in maps.items():
        sizes |= {f"{name}.weight": size, f"{name}.bias": size[:1]}
    out = {name: draw.normal(0, 0.2, size).astype(np.float32) for name, size in sizes.items()}
    for name in norms:
        out |= {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": np.zeros(WIDTH, np.float32)}
    return out


def by_hand(weights: Weights, ids: list[int]) -> NDArray[np.float32]:
    """A BERT in a few lines, to compare llama.cpp's with."""

    def through(name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        out: NDArray[np.float32] = rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        return out

    def normed(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        out: NDArray[np.float32] = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(
            rows.var(-1, keepdims=True) + 1e-12
        )
        return out

    hidden = normed(
        weights["words.weight"][ids] + weights["places.weight"][: len(ids)] + weights["kinds.weight"][0]
    )
    for number in range(LAYERS):
        at = f"layers.{number}."
        parts = np.split(through(at + "qkv", hidden), 3, axis=1)
        query, key, value = (part.reshape(len(ids), ATTENTION, -1).transpose(1, 0, 2) for part in parts)
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(WIDTH / ATTENTION)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        hidden = normed(
            hidden + through(at + "out", (shares @ value).transpose(1, 0, 2).reshape(len(ids), WIDTH))
        )
        up = through(at + "up", hidden)
        raised = 0.5 * up * (1 + np.tanh(np.sqrt(2 / np.pi) * (up + 0.044715 * up**3)))
        hidden = normed(hidden + through(at + "down", raised))
    return hidden


@pytest.fixture(scope="module")
def random_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "random.gguf"
    export_encoder(
        path, some_weights(1), VOCABULARY, {"name": "random"}, attention_heads=ATTENTION, places=512
    )
    return path


@pytest.fixture(scope="module")
def encoder(random_file: Path) -> Iterator[LlamaEncoder]:
    found = LlamaEncoder(random_file, threads=1)
    yield found
    found.close()


def test_llama_computes_what_was_trained(encoder: LlamaEncoder) -> None:
    ids = sentence(PIECES, "weather in paris in f : unit of weather")

    (found,) = encoder._hidden([ids])
    wanted = by_hand(some_weights(1), ids)

    nearness = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert nearness.min() > 0.95  # eight and four bits a weight


def test_a_tool_reads_the_same_alone_and_among_others(encoder: LlamaEncoder) -> None:
    others = [ToolPage(f"tool{number}", "d " * number, TOOL.slots * (number % 4)) for number in range(40)]

    (alone,) = encoder.read("weather in paris", [TOOL])
    among = encoder.read("weather in paris", [*others[:20], TOOL, *others[20:]])[20]

    assert among.relevance == pytest.approx(alone.relevance, abs=1e-3)
    for one, other in zip(alone.slots, among.slots, strict=True):
        assert other.absent == pytest.approx(one.absent, abs=1e-3)
        assert other.choices == pytest.approx(one.choices, abs=1e-3)


def test_a_reading_is_made_of_probabilities(encoder: LlamaEncoder) -> None:
    intent = "weather in paris in f"

    (reading,) = encoder.read(intent, [TOOL])

    assert 0 <= reading.relevance <= 1
    assert [len(slot.choices) for slot in reading.slots] == [0, 3, 0]
    for slot in reading.slots:
        assert sum(slot.truth) == pytest.approx(1, abs=1e-3)
        assert not slot.choices or sum(slot.choices) == pytest.approx(1, abs=1e-3)
        assert 0 <= slot.absent <= 1
        assert slot.absent + sum(span.probability for span in slot.spans) <= 1 + 1e-3
        assert all(0 <= span.start < span.end <= len(intent) for span in slot.spans)


def test_a_large_tool_is_read_up_to_a_limit_and_the_rest_left_to_words(encoder: LlamaEncoder) -> None:
    choices = tuple(f"c{number}" for number in range(MOST_CHOICES + 9))
    slots = [Slot(f"slot{number}", "string", "x" * 30, choices) for number in range(70)]
    large = ToolPage("t", "", tuple(slots))

    (reading,) = encoder.read("in paris", [large])

    full, rest = divmod(MOST_TEXTS, 1 + MOST_CHOICES)
    assert [len(slot.choices) for slot in reading.slots] == [1 + MOST_CHOICES] * full + [rest]


def test_a_tool_of_many_plain_slots_is_read_whole(encoder: LlamaEncoder) -> None:
    wide = ToolPage("t", "", tuple(Slot(f"slot{number}", "string", "x" * 30) for number in range(70)))

    (reading,) = encoder.read("in paris", [wide])

    assert [slot.choices for slot in reading.slots] == [()] * 70


def test_a_tool_that_was_prepared_costs_an_intent_one_text(
    encoder: LlamaEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder.prepare([TOOL])
    passed: list[int] = []
    whole = encoder._pass

    def counted(rows: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        passed.append(len(rows))
        return whole(rows)

    monkeypatch.setattr(encoder, "_pass", counted)

    encoder.nearness("unit in paris", [TOOL.text])
    encoder.read("unit in paris", [TOOL])

    assert passed == [1]


def test_what_belongs_to_a_tool_is_worked_out_once_while_few_are_in_use(
    encoder: LlamaEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ask = Heads.ask

    def counted(heads: Heads, *parts: Any) -> Asked:
        asked.append(len(parts[1]))
        return ask(heads, *parts)

    monkeypatch.setattr(Heads, "ask", counted)
    mine = ToolPage("mine", "weather", TOOL.slots)

    for intent in ("weather in paris", "unit of weather", "in f"):
        encoder.read(intent, [mine])
    encoder.read("in f", [ToolPage(f"other{number}", "weather") for number in range(200)])
    encoder.read("in f", [mine])

    assert [count for count in asked if count] == [len(TOOL.slots)] * 2


@pytest.mark.parametrize("intent", ["", " ", "?", "ü" * 500, "\x00\x01", "paris " * 400])
def test_any_intent_is_read(encoder: LlamaEncoder, intent: str) -> None:
    (reading,) = encoder.read(intent, [TOOL])

    assert all(intent[span.start : span.end] for slot in reading.slots for span in slot.spans)


def test_nearness_is_the_cosine_of_mean_vectors(encoder: LlamaEncoder) -> None:
    def mean(text: str) -> NDArray[np.float32]:
        out: NDArray[np.float32] = by_hand(some_weights(1), sentence(PIECES, text)).mean(axis=0)
        return out

    one, other = mean("weather in paris"), mean("unit of weather")

    (near, same) = encoder.nearness("weather in paris", ["unit of weather", "weather in paris"])

    assert same == pytest.approx(1, abs=1e-5)
    assert near == pytest.approx(float(one @ other / np.linalg.norm(one) / np.linalg.norm(other)), abs=0.1)


def test_many_threads_ask_one_encoder_and_each_gets_its_own_answer(random_file: Path) -> None:
    alone, shared = LlamaEncoder(random_file, threads=1), LlamaEncoder(random_file, threads=1)
    batched = BatchedEncoder(shared)
    intents = ["weather", "unit of weather", "weather in paris in f", "paris paris in f"] * 6

    with ThreadPoolExecutor(8) as callers:
        near = list(callers.map(lambda one: batched.nearness(one, [TOOL.text])[0], intents))
        read = list(callers.map(lambda one: batched.read(one, [TOOL])[0].relevance, intents))

    wanted = [alone.nearness(one, [TOOL.text])[0] for one in intents]
    assert min(abs(one - other) for one, other in combinations(wanted[:4], 2)) > 0.02
    assert near == pytest.approx(wanted, abs=0.01)
    assert read == pytest.approx([alone.read(one, [TOOL])[0].relevance for one in intents], abs=0.01)
    alone.close()
    shared.close()


def test_no_texts_have_no_vectors(encoder: LlamaEncoder) -> None:
    assert encoder.vectors([]).shape == (0, WIDTH)
    assert encoder.nearness("weather", []) == []
    assert encoder.read("weather", []) == []


def test_a_model_without_heads_is_refused(tmp_path: Path) -> None:
    shape = GemmaShape()
    export_gemma(tmp_path / "gemma.gguf", shape, random_weights(shape, 1))

    with pytest.raises(NotGguf, match=r"gemma\.gguf is no router's encoder: it has no 'router\.heads"):
        LlamaEncoder(tmp_path / "gemma.gguf")


def test_an_encoder_that_lost_one_of_its_keys_is_refused(random_file: Path, tmp_path: Path) -> None:
    whole = random_file.read_bytes()
    (tmp_path / "lossy.gguf").write_bytes(whole.replace(b"router.vocabulary", b"router.vocabularx"))

    with pytest.raises(NotGguf, match=r"it has no 'router\.vocabulary'"):
        LlamaEncoder(tmp_path / "lossy.gguf")


@pytest.mark.parametrize(
    ("text", "span", "whole"),
    [
        ("in Paris now", (4, 7), "Paris"),
        ("for 5km", (4, 5), "5"),
        ("for 5km", (5, 6), "km"),
        ("abc", (0, 3), "abc"),
    ],
)
def test_a_span_does_not_cut_a_word(text: str, span: tuple[int, int], whole: str) -> None:
    start, end = whole_words(text, *span)

    assert text[start:end] == whole
