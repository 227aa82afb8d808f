"""What every test of the command has: a state directory of its own, and `mcpx` to run in this process."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from participants.cli import main
from participants.cli.state import make_secret


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON value that it is."""
        return json.loads(self.out)


Mcpx = Callable[..., Ran]


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of the test, not made yet."""
    directory = tmp_path / "state"
    monkeypatch.setenv("MCPX_STATE_DIR", str(directory))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return directory


@pytest.fixture
def secret(state_dir: Path) -> str:
    """The key that this machine has."""
    return make_secret(state_dir)


@pytest.fixture
def mcpx(state_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Mcpx:
    """`mcpx("token", "issue", …, stdin="…")` runs the command here and returns how it ended."""

    def run(*arguments: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        code = main(arguments)
        written = capsys.readouterr()
        return Ran(code, written.out, written.err)

    return run
