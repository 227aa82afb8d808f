"""`python -m tests.bench`: measure the gateway beside its peers and print what came of it."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from tests.bench import tokens, workshop
from tests.bench.cases import BY_NAME
from tests.bench.results import Results
from tests.bench.rounds import measure
from tests.bench.tables import as_tables

LATEST = workshop.CACHE / "run.jsonl"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.act(options))
    except workshop.WorkshopError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 69
    finally:
        tokens.forget()


def _run(options: argparse.Namespace) -> int:
    cases = [BY_NAME[name] for name in options.cases]
    rows = []
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w") as out:
        for row in measure(
            cases,
            options.servers.split(",") if options.servers else None,
            rounds=options.rounds,
            seconds=options.seconds,
            wrapper=shlex.split(options.under),
        ):
            rows.append(row)
            out.write(row.to_json() + "\n")
            out.flush()
    if options.json:
        print("\n".join(row.to_json() for row in rows))
    else:
        print(as_tables(Results(rows)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="measure some cases")
    run.add_argument("cases", nargs="+", choices=sorted(BY_NAME), metavar="CASE")
    run.add_argument("--servers", help="NAME,… ; gateway=DIRECTORY is another checkout's")
    run.add_argument("--rounds", type=int, default=3)
    run.add_argument("--seconds", type=float, default=1.0, help="of measuring in each run")
    run.add_argument("--under", default="", help="a command to start the gateway with, such as a profiler's")
    run.add_argument("--json", action="store_true", help="one line for each run instead of tables")
    run.add_argument("--out", type=Path, default=LATEST)
    run.set_defaults(act=_run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
