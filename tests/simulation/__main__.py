"""`python -m tests.simulation --seeds 10000`, or `--seed 7` to see one history again."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.history import describe, to_line
from tests.simulation.run import Outcome, run, set_up

_CHUNK = 50


def main(arguments: list[str]) -> int:
    """Run the seeds that the arguments name; 1 if one of them fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one alone and print its history's end")
    parser.add_argument("--seeds", type=int, default=300, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--events", type=int, default=40, help="how many of the last events to print")
    parser.add_argument("--save", help="write the failing history here, as JSON lines")
    options = parser.parse_args(arguments)
    seeds = (
        range(options.seed, options.seed + 1)
        if options.seed is not None
        else range(options.first, options.first + options.seeds)
    )
    begun = time.monotonic()
    failed, unplaced = None, 0
    for portion in _portions(seeds, options.processes):
        unplaced += portion.unplaced
        if portion.failed is not None:
            failed = portion.failed
            break
    seconds = time.monotonic() - begun
    if failed is not None:
        _show(run(failed), options.events, options.save)
        print(f"again: make simulate SEED={failed}")
        return 1
    if options.seed is not None:
        _show(run(options.seed), options.events, options.save)
    told = f"simulate: {len(seeds)} seeds in {seconds:.1f} s, {len(seeds) / seconds:.0f} seeds/s, no breach"
    print(f"{told}; envelopes of which nobody can say in which of two lives they were heard: {unplaced}")
    return 0


@dataclass(frozen=True, slots=True)
class _Portion:
    """What came of some seeds."""

    failed: int | None
    """The first that failed."""
    unplaced: int


def _portions(seeds: range, processes: int) -> Iterator[_Portion]:
    """Run seeds, so many at a time."""
    gc.freeze()  # what was imported stays; only what histories leave is looked through
    set_up()
    portions = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    if processes == 1:
        yield from map(_run_portion, portions)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(_run_portion, portions)


def _run_portion(seeds: range) -> _Portion:
    # A collection in the midst of a history would end tasks of an earlier one there.
    gc.disable()
    unplaced = 0
    for seed in seeds:
        outcome = run(seed)
        unplaced += outcome.unplaced
        if outcome.breaches:
            return _Portion(seed, unplaced)
    gc.collect()
    return _Portion(None, unplaced)


def _show(outcome: Outcome, events: int, save: str | None) -> None:
    lines = [to_line(event) for event in outcome.history]
    if save is not None:
        Path(save).write_text("\n".join(lines) + "\n")
    for event in outcome.history[len(outcome.history) - events :] if events < len(lines) else outcome.history:
        print(describe(event))
    print(f"seed {outcome.seed}: {outcome.conditions}")
    for breach in outcome.breaches:
        print(f"  {breach}")


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of names are walked in an order that must not differ from run to run.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    raise SystemExit(main(sys.argv[1:]))
