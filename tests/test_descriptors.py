"""The guard against files left open notices them, and only many of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("left", "status"), [(200, 1), (5, 0)])
def test_a_run_that_leaves_hundreds_of_files_open_fails_and_says_after_which_test(
    tmp_path: Path, left: int, status: int
) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.descriptors import DescriptorGuard\n"
        "def pytest_configure(config): config.pluginmanager.register(DescriptorGuard())\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import os\ndef test_well(): pass\n"
        f"def test_leaky():\n    for _ in range({left}): os.open(os.devnull, os.O_RDONLY)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert run.returncode == status, run.stdout + run.stderr
    assert (f"+{left} after test_it.py::test_leaky" in run.stdout) == bool(status)
