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
_FRESH_ROUNDS: Final = 3
"""Starting a server for each run takes longer than the run."""


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
    with workshop.sole_use():
        with ExitStack() as up:
            servers = {label: _up(up, label, cores, wrapper) for label in _needed(together, labels)}
            for number in range(rounds):
                for case in together:
                    for label in _turned(_of(case, labels), number):
                        yield from _run(case, servers[label], cores, number, seconds)
        for number in range(min(rounds, _FRESH_ROUNDS)):
            for case in cases:
                if case.is_fresh:
                    for label in _turned(_of(case, labels), number):
                        with ExitStack() as up:
                            yield from _run(case, _up(up, label, cores, wrapper), cores, number, seconds)


def _up(up: ExitStack, label: str, cores: Cores, wrapper: Sequence[str]) -> Running | None:
    """Start a server; one that does not start is told of and left out, and the others are measured."""
    try:
        return up.enter_context(running(label, cores, wrapper=wrapper))
    except workshop.WorkshopError as error:
        sys.stderr.write(f"{error}\n")
        return None


def _of(case: Case, labels: Sequence[str] | None) -> list[str]:
    if labels is None:
        return [str(name) for name in case.servers]
    return [label for label in labels if Name(label.partition("=")[0]) in case.servers]


def _turned(labels: Sequence[str], number: int) -> list[str]:
    """Let another one begin each round: who comes first after a pause is at a disadvantage."""
    start = number % len(labels) if labels else 0
    return [*labels[start:], *labels[:start]]


def _needed(cases: Sequence[Case], labels: Sequence[str] | None) -> list[str]:
    return list(dict.fromkeys(label for case in cases for label in _of(case, labels)))


def _run(case: Case, server: Running | None, cores: Cores, number: int, seconds: float) -> Iterator[Row]:
    if server is None:
        return
    for is_last in (False, True) if case.is_rehearsed else (True,):
        server.wait_quiet()
        try:
            figures = _load(case, server, cores, seconds)
        except _NoAnswer as why:
            sys.stderr.write(f"{case.name}, {server.label}, round {number + 1}: {why}\n")
            return
        if is_last:
            yield Row(case.name, server.label, number, figures)


class _NoAnswer(Exception):
    """The load generator gave up."""


def _load(case: Case, server: Running, cores: Cores, seconds: float) -> dict[str, float]:
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
    except subprocess.TimeoutExpired:
        raise _NoAnswer(f"no end after {_RUN_ENDS_WITHIN_S:.0f} s") from None
    if run.returncode != 0:
        raise _NoAnswer(run.stderr.strip()[-300:] or f"exit status {run.returncode}")
    answer: dict[str, Any] = json.loads(run.stdout)
    return {key: float(value) for key, value in answer.items() if isinstance(value, int | float)}
