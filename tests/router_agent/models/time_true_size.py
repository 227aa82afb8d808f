"""
Times a random model of FunctionGemma's true size; run as a module, it is no test.

    python -m tests.router_agent.models.time_true_size [threads]

The weights mean nothing, the sizes are the true ones: 18 layers of 640, a vocabulary of
262,144, eight bits a weight. Printed are milliseconds on the clock, and of processor time:
with one thread, the second is what a machine that does nothing else would take.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import gguf

from router_agent.models.llama import LlamaModel
from router_agent.training.gemma import (
    CONTROLS,
    FUNCTION_GEMMA,
    GemmaShape,
    export_adapter,
    export_gemma,
    random_weights,
)

VOCABULARY = 262_144


def true_shape() -> GemmaShape:
    """The true sizes, with words nobody says to fill the vocabulary."""
    spelled = ["\u2581", "\n", *map(chr, range(33, 127))]
    spelled += [f"\u2581word{number}" for number in range(VOCABULARY - len(spelled) - len(CONTROLS) - 256)]
    return replace(FUNCTION_GEMMA, vocabulary=tuple(spelled))


def main(threads: int) -> None:
    shape = true_shape()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "true.gguf"
        weights = random_weights(shape, 1)
        export_gemma(path, shape, weights, kind=gguf.GGMLQuantizationType.Q8_0)
        pairs = {
            f"blk.{number}.attn_q.weight": (
                weights[f"blk.{number}.attn_q.weight"][:8],
                weights[f"blk.{number}.attn_q.weight"][:, :8],
            )
            for number in range(shape.layers)
        }
        export_adapter(Path(folder) / "adapter.gguf", pairs, alpha=1.0)
        print(f"file {path.stat().st_size / 1e6:.0f} MB, {threads} threads")
        began = time.perf_counter()
        model = LlamaModel(path, context=2048, threads=threads)
        print(f"load {1000 * (time.perf_counter() - began):.0f}")
        measure(model, Path(folder) / "adapter.gguf")
        model.close()


def measure(model: LlamaModel, adapter: Path) -> None:
    first = len(CONTROLS) + 256
    tools = [first + number % 90 for number in range(512)]

    def timed(work: Callable[[], object]) -> tuple[float, float]:
        clock, spent = time.perf_counter(), time.process_time()
        work()
        return 1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - spent)

    def told(what: str, times: Sequence[tuple[float, float]]) -> None:
        clock, spent = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{what:36} {clock:10.3f} {spent:10.3f}")

    told("512 tokens of tools, first time", [timed(lambda: model.begin([*tools, first]))])
    intents = [partial(model.begin, [*tools, *([first + number] * 24)]) for number in range(1, 8)]
    told("24 tokens of an intent behind them", [timed(begin) for begin in intents])

    def one_more() -> None:
        model.push([first])
        model.logits().argmax()

    told("one token more", [timed(one_more) for _ in range(20)])
    model.adapters.add("one", adapter)
    swaps = [partial(model.adapters.use, {"one": 1.0} if on else {}) for on in (True, False) * 10]
    told("swap of an adapter", [timed(swap) for swap in swaps])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
