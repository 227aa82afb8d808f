"""Histories by seed: the real node, broker and scripts, whatever happens around them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.history import from_lines
from tests.requirements import spec
from tests.simulation import planted

ROOT = Path(__file__).parents[2]


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run seeds in a process of their own, which decides what order sets have."""
    program = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


@spec("mcpx delivery one order", "mcpx delivery from the welcome on", "mcpx delivery promotion in force")
def test_three_hundred_histories_keep_every_promise() -> None:
    run = simulate("--seeds", "300", "--processes", "2")

    assert run.returncode == 0, run.stdout + run.stderr


def test_a_seed_is_the_same_history_each_time(tmp_path: Path) -> None:
    # Of two nodes and two topics, while links break and nodes die.
    for name in ("once", "again"):
        simulate("--seed", "10", "--save", str(tmp_path / name))

    once, again = ((tmp_path / name).read_text() for name in ("once", "again"))
    assert len(from_lines(once.splitlines())) > 20
    assert once == again


@pytest.mark.parametrize("patch", planted.PATCHES, ids=lambda patch: patch.stem)
def test_a_planted_bug_is_found(patch: Path) -> None:
    found = planted.find(patch)

    assert found.seed is not None, found.output
