"""
`python -m tests.fuzz SECONDS`: fuzz each target for its share of the time, guided by coverage.

What breaks a promise is written to `.cache/fuzz/`, told, and is exit status 1:
put it into `corpus/` beside the mend, and the suite keeps it mended.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.targets import CORPUS, TARGETS

CACHE: Final = Path(__file__).parents[2] / ".cache" / "fuzz"
LONGEST: Final = 4_096
"""Bytes of an input; the readers' own limits are tested by name."""


def main(seconds: int) -> int:
    """Fuzz all targets, one after another; return the exit status."""
    each, failed = max(1, seconds // len(TARGETS)), []
    for name in TARGETS:
        found = CACHE / name
        found.mkdir(parents=True, exist_ok=True)
        print(f"fuzz: {name} for {each} s", flush=True)
        options = (
            f"-max_total_time={each}",
            f"-max_len={LONGEST}",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-verbosity=0",
            "-print_final_stats=1",
            f"-artifact_prefix={found.parent}/{name}-",
        )
        command = [sys.executable, "-m", "tests.fuzz.guided", name, *options, str(found), str(CORPUS / name)]
        run = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
        facts = [line.removeprefix("stat::") for line in run.stderr.splitlines() if line.startswith("stat::")]
        if run.returncode:
            failed.append(name)
            print(run.stderr[-6_000:])
        held = "BROKEN" if run.returncode else "held"
        print(f"fuzz: {name}: {held}; {'; '.join(' '.join(fact.split()) for fact in facts)}")
    print(f"fuzz: {len(TARGETS) - len(failed)} of {len(TARGETS)} targets held for {each} s each")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
