"""
`python -m tests.soak MINUTES [--members N] [--seed N] [--plot FILE]`: run, report, and draw.

The report and the picture go to `.cache/soak/`. Exit status 1: something grew, or a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.soak.plot import as_svg
from tests.soak.run import soak

CACHE: Final = Path(__file__).parents[2] / ".cache" / "soak"


def main() -> int:
    """Run as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("minutes", type=float)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="draw here, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcpx-soak-") as directory:
        report = asyncio.run(
            soak(
                Path(directory),
                given.minutes * 60,
                members=given.members,
                topics=max(1, given.members // 20),
                seed=given.seed,
                tell=lambda line: print(line, flush=True),
            )
        )
    lines = [f"soak: {line}" for line in report.lines()]
    verdict = "FAILED" if report.complaints else "nothing grew, nothing was lost"
    lines.append(f"soak: {verdict} (seed {given.seed}, {given.members} members)")
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "report.txt").write_text("\n".join(lines) + "\n")
    for file in (CACHE / "soak.svg", *([given.plot] if given.plot else [])):
        file.write_text(as_svg(report))
    print("\n".join(lines))
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
