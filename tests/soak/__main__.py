"""
`python -m tests.soak MINUTES [--members N] [--seed N] [--plot FILE]`: run, report, and draw.

The report and the picture go to `.cache/soak/`. Exit status 1: something grew, or a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.soak.plot import as_svg
from tests.soak.run import Report, soak

INTERRUPTED: Final = 130
CACHE: Final = Path(__file__).parents[2] / ".cache" / "soak"


def main() -> int:
    """Run as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("minutes", type=float)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="draw here, too")
    given = parser.parse_args()
    # A shell starts what runs in its background with Ctrl-C ignored; and whoever ends this ends its servers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    report = Report()
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="mcpx-soak-") as directory:
        asyncio.run(
            soak(
                Path(directory),
                given.minutes * 60,
                members=given.members,
                topics=max(1, given.members // 20),
                seed=given.seed,
                tell=lambda line: print(line, flush=True),
                report=report,
            )
        )
    lines = [f"soak: {line}" for line in report.lines()]
    was_interrupted = report.took_s < given.minutes * 60
    verdict = "FAILED" if report.complaints else "nothing grew, nothing was lost"
    verdict += ", but it was interrupted" if was_interrupted else ""
    lines.append(f"soak: {verdict} (seed {given.seed}, {given.members} members)")
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "report.txt").write_text("\n".join(lines) + "\n")
    for file in (CACHE / "soak.svg", *([given.plot] if given.plot else [])):
        file.write_text(as_svg(report))
    print("\n".join(lines))
    return 1 if report.complaints else INTERRUPTED if was_interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
