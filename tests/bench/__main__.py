"""`python -m tests.bench`: measure, and print a table, or JSON with `--json`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict

from tests.bench import fan_out, hot_paths

RUNS = ((0, 2000), (10, 2000), (50, 1000))
"""Receivers and envelopes of each fan-out."""


def main() -> None:
    """Run everything; it takes about half a minute."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="JSON for machines instead of text for people")
    as_json = parser.parse_args().json
    costs = dict(hot_paths.measure())
    runs = [asyncio.run(fan_out.measure(receivers, envelopes)) for receivers, envelopes in RUNS]
    if as_json:
        json.dump({"hot_paths_ns": costs, "fan_out": [asdict(run) for run in runs]}, sys.stdout, indent=2)
        return
    print("Core, one thread")
    for name, nanoseconds in costs.items():
        print(f"  {name:45} {nanoseconds / 1000:9.2f} µs")
    print("One topic, one sender, a gateway process; client and gateway share this machine")
    for run in runs:
        print(
            f"  {run.receivers:3} other receivers {run.deliveries_per_s:12,.0f} deliveries/s"
            f"   there and back: p50 {run.round_trip_p50_ms:.2f} ms, p99 {run.round_trip_p99_ms:.2f} ms"
        )


if __name__ == "__main__":
    main()
