"""Rounds: every server in turn, case by case, again and again, so that a slow moment hits them all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

from tests.bench import workshop
from tests.bench.cases import Case
from tests.bench.results import Row
from tests.bench.servers import Cores, Name, Running, running

_RUN_ENDS_WITHIN_S: Final = 120.0


def measure(
    cases: Sequence[Case],
    labels: Sequence[str] | None,
    *,
    rounds: int,
    seconds: float,
    wrapper: Sequence[str] = (),
) -> Iterator[Row]:
    """
    Run `cases` and yield a row for each run as it ends.

    `labels` names the servers (each case's own choice without it); `seconds`
    is how long one run measures; `wrapper` goes before the gateway's command.

    Raises:
        WorkshopError: a tool is missing, or a server does not start.
    """
    workshop.make_load_generator()
    cores = Cores.choose()
    together = [case for case in cases if not case.is_fresh]
    with workshop.sole_use(), ExitStack() as up:
        servers = {
            label: up.enter_context(running(label, cores, wrapper=wrapper))
            for label in _needed(together, labels)
        }
        for number in range(rounds):
            for case in together:
                for label in _of(case, labels):
                    servers[label].wait_quiet()
                    yield from _run(case, servers[label], cores, number, seconds)
    for number in range(rounds):
        for case in cases:
            if not case.is_fresh:
                continue
            for label in _of(case, labels):
                with workshop.sole_use(), running(label, cores, wrapper=wrapper) as server:
                    server.wait_quiet()
                    yield from _run(case, server, cores, number, seconds)


def _of(case: Case, labels: Sequence[str] | None) -> list[str]:
    if labels is None:
        return [str(name) for name in case.servers]
    return [label for label in labels if Name(label.partition("=")[0]) in case.servers]


def _needed(cases: Sequence[Case], labels: Sequence[str] | None) -> list[str]:
    return list(dict.fromkeys(label for case in cases for label in _of(case, labels)))


def _run(case: Case, server: Running, cores: Cores, number: int, seconds: float) -> Iterator[Row]:
    command = [
        *("taskset", "--cpu-list", str(cores.load), str(workshop.WSLOAD)),
        *("--port", ",".join(str(port) for port in server.ports)),
        *("--pid", ",".join(str(pid) for pid in server.pids())),
        *("--settle", "0.1", "--warmup", "0.2", "-d", str(case.seconds or seconds)),
        *server.load_arguments,
        *case.arguments,
    ]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=_RUN_ENDS_WITHIN_S, check=False)
        said = run.stderr.strip()
        answer: dict[str, Any] = json.loads(run.stdout) if run.returncode == 0 else {}
    except subprocess.TimeoutExpired:
        said, answer = f"no end after {_RUN_ENDS_WITHIN_S:.0f} s", {}
    if not answer:
        sys.stderr.write(f"{case.name}, {server.label}, round {number + 1}: {said[-300:] or 'no answer'}\n")
        return
    figures = {key: float(value) for key, value in answer.items() if isinstance(value, int | float)}
    yield Row(case.name, server.label, number, figures)
