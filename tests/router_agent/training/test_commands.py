"""The commands that make models, as a person runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from router_agent.training import read_cases
from router_agent.training.commands import add_to
from router_agent.training.gemma import GemmaShape, export_adapter, export_gemma, random_weights

app = typer.Typer()
add_to(app)
SHAPE = GemmaShape()


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.fixture
def files(tmp_path: Path) -> Path:
    export_gemma(tmp_path / "base.gguf", SHAPE, random_weights(SHAPE, 1))
    pair = np.ones((2, SHAPE.width), np.float32), np.ones((SHAPE.heads * SHAPE.head, 2), np.float32)
    export_adapter(tmp_path / "adapter.gguf", {"blk.0.attn_q.weight": pair}, alpha=2.0)
    export_adapter(tmp_path / "other.gguf", {"blk.9.attn_q.weight": pair}, alpha=2.0)
    return tmp_path


def test_data_are_made_without_any_public_set(tmp_path: Path) -> None:
    code, said = run("data", "--out", tmp_path / "made", "--scale", 0.002, "--seed", 4)

    assert code == 0, said
    assert len(list(read_cases(tmp_path / "made" / "cases.jsonl"))) == 24


def test_adapters_are_merged_with_their_weights(files: Path) -> None:
    code, said = run(
        "merge",
        "--base",
        files / "base.gguf",
        "--adapter",
        f"{files / 'adapter.gguf'}:0.5",
        "--out",
        files / "new.gguf",
    )

    assert code == 0, said
    assert (files / "new.gguf").stat().st_size == (files / "base.gguf").stat().st_size


def test_a_model_may_be_merged_into_its_own_place(files: Path) -> None:
    base, adapter = files / "base.gguf", files / "adapter.gguf"
    assert run("merge", "--base", base, "--adapter", adapter, "--out", files / "new.gguf")[0] == 0

    code, said = run("merge", "--base", base, "--adapter", adapter, "--out", base)

    assert code == 0, said
    assert "1 tensors changed" in said
    assert base.read_bytes() == (files / "new.gguf").read_bytes()
    assert not list(files.glob("*.part"))


@pytest.mark.parametrize("adapter", ["other.gguf", "base.gguf", "adapter.gguf:much"])
def test_what_does_not_belong_together_is_refused_in_a_sentence(files: Path, adapter: str) -> None:
    code, said = run(
        "merge", "--base", files / "base.gguf", "--adapter", files / adapter, "--out", files / "new.gguf"
    )

    assert code == 2
    assert "Traceback" not in said
