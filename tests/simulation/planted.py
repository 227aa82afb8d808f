"""
Bugs planted into a copy of the gateway, each of which the simulation must find.

The first line of a patch names the seed that found it last: it is tried first.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PATCHES: Final = sorted((Path(__file__).parent / "planted").glob("*.patch"))
WITHIN: Final = 1000
"""Seeds in which a bug must be found."""

_NAMED: Final = re.compile(r"Found by seed (\d+)\.\n")
_ROOMS: Final = ("schemas", "capabilities", "gateway")
_TESTS: Final = ("__init__.py", "history", "simulation")


@dataclass(frozen=True, slots=True)
class Found:
    """What the simulation said of a planted bug."""

    seed: int | None
    """The first seed that found it; `None`: none did."""
    output: str
    seconds: float


def find(patch: Path) -> Found:
    """
    Plant a bug and look for it in the seed that its patch names, and then in `WITHIN` others.

    Raises:
        subprocess.CalledProcessError: the patch does not fit the gateway any more.
    """
    begun, output = time.monotonic(), ""
    named = _NAMED.match(patch.read_text())
    with _planted(patch) as house:
        for seeds in ([("--first", named[1], "--seeds", "1")] if named else []) + [("--seeds", str(WITHIN))]:
            program = [sys.executable, "-m", "tests.simulation", *seeds, "--events", "12"]
            run = subprocess.run(program, cwd=house, capture_output=True, text=True, check=False, timeout=600)
            output += run.stdout + run.stderr
            if again := re.search(r"SEED=(\d+)", run.stdout):
                return Found(int(again[1]), output, time.monotonic() - begun)
    return Found(None, output, time.monotonic() - begun)


@contextmanager
def _planted(patch: Path) -> Iterator[Path]:
    """Copy the gateway and what runs it, with the bug in it."""
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        house = Path(name)
        for room in _ROOMS:
            shutil.copytree(ROOT / room, house / room, ignore=shutil.ignore_patterns("__pycache__"))
        (house / "tests").mkdir()
        for part in _TESTS:
            (house / "tests" / part).symlink_to(ROOT / "tests" / part)
        # Outside any repository git applies to the working directory, wherever the lines have moved to.
        subprocess.run(
            ["git", "apply", "--recount", str(patch)], cwd=house, check=True, capture_output=True, text=True
        )
        yield house


def main() -> int:
    """Look for all of them, and note in each patch what found it; 1 if one is not found."""
    missed = 0
    for patch in PATCHES:
        found = find(patch)
        missed += found.seed is None
        if found.seed is not None:
            patch.write_text(f"Found by seed {found.seed}.\n{_NAMED.sub('', patch.read_text(), count=1)}")
        seed = "NOT FOUND" if found.seed is None else f"seed {found.seed}"
        print(f"{patch.stem:36} {seed:>10}  {found.seconds:5.1f} s")
    print(f"planted: {len(PATCHES) - missed} of {len(PATCHES)} bugs found, each within {WITHIN} seeds")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
