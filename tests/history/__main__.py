"""`python -m tests.history FILE…`: decide about recorded histories."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.history import check, from_lines


def main(names: list[str]) -> int:
    """Print what is wrong with each history; 1 if anything is."""
    wrong = 0
    for name in names:
        history = from_lines(Path(name).read_text().splitlines())
        found = check(history)
        wrong += bool(found)
        print(f"{name}: {len(history)} events, {len(found)} breaches")
        for sentence in found:
            print(f"  {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
