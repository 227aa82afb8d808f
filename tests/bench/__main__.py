"""`python -m tests.bench`: measure the gateway beside its peers and print what came of it."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.bench import bars, hot_paths, machine, plot, quick, routing, tables, tokens, workshop
from tests.bench.cases import BY_NAME, CASES, Case
from tests.bench.results import Results, Row
from tests.bench.rounds import measure
from tests.bench.servers import TITLES, Name

FULL: Final = workshop.CACHE / "full.jsonl"
"""The rows of the last whole run, which `bars` and `report` read."""
LATEST: Final = workshop.CACHE / "run.jsonl"

PAGE: Final = workshop.ROOT / "docs" / "performance.md"
PICTURE: Final = workshop.ROOT / "docs" / "performance.svg"
_MEASURED: Final = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)

EX_UNAVAILABLE: Final = 69
EX_INTERRUPTED: Final = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # through every `finally`
    try:
        return int(options.act(options))
    except workshop.WorkshopError as error:
        sys.stderr.write(f"bench: {error}\n")
        return EX_UNAVAILABLE
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    finally:
        tokens.forget()


def _run(options: argparse.Namespace) -> int:
    rows = measure(
        [BY_NAME[name] for name in options.cases],
        options.servers,
        rounds=options.rounds,
        seconds=options.seconds,
        wrapper=shlex.split(options.under),
    )
    results = _keep(rows, options.out)
    if options.json:
        print("\n".join(row.to_json() for row in results.rows))
    else:
        print(tables.as_text(results))
    return 0


def _full(options: argparse.Namespace) -> int:
    chosen: Sequence[Case] = CASES
    results = _keep(measure(chosen, None, rounds=options.rounds, seconds=options.seconds), FULL)
    print(tables.as_text(results))
    print("\n" + tables.bars_as_text(bars.judge(results)))
    _publish(results)
    return _routes(options)


def _routes(options: argparse.Namespace) -> int:
    results = Results(list(routing.measure()))
    print(f"\nA route, ms\n{routing.as_markdown(results)}")
    if options.docs:
        routing.publish(PAGE, results)
    return 0


def _quick(options: argparse.Namespace) -> int:
    rows = measure(
        [BY_NAME[name] for name in quick.CASES], quick.SERVERS, rounds=options.rounds, seconds=options.seconds
    )
    results = _keep(rows, workshop.CACHE / "quick.jsonl")
    print(tables.as_text(results))
    fallen = quick.fallen(results)
    print("\n" + ("\n".join(fallen) if fallen else "No case has fallen far behind the C reference."))
    return bool(fallen)


def _bars(options: argparse.Namespace) -> int:
    judgements = bars.judge(_read(options.results))
    if options.json:
        told = [
            {
                "bar": judgement.bar.number,
                "claim": judgement.bar.claim,
                "measured": asdict(judgement.spread) if judgement.spread else None,
                "limit": judgement.bar.limit,
                "is_floor": judgement.bar.is_floor,
                "verdict": judgement.verdict,
                "moonshot": judgement.reaches_the_moon,
            }
            for judgement in judgements
        ]
        print(json.dumps(told, indent=2))
    else:
        print(tables.bars_as_text(judgements))
    return any(judgement.verdict is not bars.Verdict.HELD for judgement in judgements)


def _report(options: argparse.Namespace) -> int:
    results = _read(options.results)
    if options.docs:
        _publish(results)
    else:
        print(tables.as_markdown(results, bars.judge(results)))
    return 0


def _hot_paths(_options: argparse.Namespace) -> int:
    print("Core, one thread")
    for name, nanoseconds in hot_paths.measure():
        print(f"  {name:45} {nanoseconds / 1000:9.2f} µs")
    return 0


def _list(_options: argparse.Namespace) -> int:
    for case in CASES:
        print(f"{case.name:16} {case.title}")
    print("\nservers: " + ", ".join(TITLES) + ", gateway=DIRECTORY")
    return 0


def _keep(rows: Iterable[Row], path: Path) -> Results:
    """Write rows as they come, so that an interrupted run is not lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = []
    with path.open("w") as file:
        for row in rows:
            kept.append(row)
            file.write(row.to_json() + "\n")
            file.flush()
    return Results(kept)


def _read(path: Path) -> Results:
    if not path.exists():
        raise workshop.WorkshopError(f"{path} does not exist: measure first, with `make bench`")
    return Results.read(path)


def _publish(results: Results) -> None:
    """Put tables and picture into the documentation."""
    shown = f"![Server CPU for the same work, latency and memory, beside the peers]({PICTURE.name})"
    measured = f"{shown}\n\n{machine.described()}\n\n{tables.as_markdown(results, bars.judge(results))}"
    page, count = _MEASURED.subn(lambda found: f"{found[1]}\n{measured}\n\n{found[2]}", PAGE.read_text())
    assert count == 1, f"{PAGE} has no place for what was measured"
    PAGE.write_text(page)
    PICTURE.write_text(plot.as_svg(results))
    plot.write_png(PICTURE, PICTURE.with_suffix(".png"))


def _servers(text: str) -> list[str]:
    labels = text.split(",")
    for label in labels:
        if label.partition("=")[0] not in list(Name):
            raise argparse.ArgumentTypeError(f"no server {label!r}; there are {', '.join(Name)}")
    return labels


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(required=True)

    run = commands.add_parser("run", help="measure some cases")
    run.add_argument("cases", nargs="+", choices=sorted(BY_NAME), metavar="CASE")
    run.add_argument("--servers", type=_servers, help="NAME,… ; gateway=DIRECTORY is another checkout's")
    run.add_argument("--rounds", type=int, default=3)
    run.add_argument("--seconds", type=float, default=1.0, help="of measuring in each run")
    run.add_argument("--under", default="", help="a command to start the gateway with, such as a profiler's")
    run.add_argument("--json", action="store_true", help="one line for each run instead of tables")
    run.add_argument("--out", type=Path, default=LATEST, help="where the rows are kept, as lines of JSON")
    run.set_defaults(act=_run)

    full = commands.add_parser("full", help="measure everything, and put the results into docs/")
    full.add_argument("--rounds", type=int, default=5)
    full.add_argument("--seconds", type=float, default=0.7)
    full.set_defaults(act=_full, docs=True)

    short = commands.add_parser("quick", help="a minute: fail when the gateway fell far behind C")
    short.add_argument("--rounds", type=int, default=quick.ROUNDS)
    short.add_argument("--seconds", type=float, default=quick.SECONDS)
    short.set_defaults(act=_quick)

    held = commands.add_parser("bars", help="say of each bar whether it holds; fail unless all do")
    held.add_argument("results", nargs="?", type=Path, default=FULL)
    held.add_argument("--json", action="store_true")
    held.set_defaults(act=_bars)

    report = commands.add_parser("report", help="the tables of a run as Markdown")
    report.add_argument("results", nargs="?", type=Path, default=FULL)
    report.add_argument("--docs", action="store_true", help="put them and the picture into docs/ instead")
    report.set_defaults(act=_report)

    routes = commands.add_parser("routes", help="time the router alone")
    routes.add_argument("--docs", action="store_true", help="put the times into docs/, too")
    routes.set_defaults(act=_routes)

    commands.add_parser("hot-paths", help="time the core alone").set_defaults(act=_hot_paths)
    commands.add_parser("list", help="list cases and servers").set_defaults(act=_list)
    return parser


if __name__ == "__main__":
    sys.exit(main())
