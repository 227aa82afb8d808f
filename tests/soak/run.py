"""Rounds of talk with some mischief, each judged by its history; and looks at the nodes all along."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import httpx

from tests.faults.stage import Stage, staged
from tests.faults.talk import Outcome, talking
from tests.soak.mischief import MISCHIEF
from tests.soak.samples import Sample, Verdict, look

LOOK_EVERY_S: Final = 1.0
RECOVERED_WITHIN_S: Final = 30.0
EMPTY_WITHIN_S: Final = 30.0
LINGER_S: Final = 8.0
"""Longer than a socket over which nothing is asked is kept by either side."""


@dataclass(slots=True)
class Report:
    """What came of a run."""

    samples: list[Sample] = field(default_factory=list)
    happened: list[tuple[float, str]] = field(default_factory=list)
    """When, in seconds since the beginning, and what."""
    outcomes: list[Outcome] = field(default_factory=list)
    lives: list[int] = field(default_factory=lambda: [0, 0])
    """Index of the first sample of each node's present life."""
    took_s: float = 0.0

    @property
    def at_rest(self) -> str:
        """The newest look at each node at rest, short."""
        newest = {sample.node: sample for sample in self.samples if sample.is_at_rest}
        return ", ".join(
            f"{one.memory / (1 << 20):.1f} MiB {one.descriptors} files {one.tasks} tasks"
            for _, one in sorted(newest.items())
        )

    @property
    def verdicts(self) -> list[Verdict]:
        """Of the first node always; of the second if its last life was long enough to tell."""
        found = []
        for node in (0, 1):
            life = self.samples[self.lives[node] :]
            if sum(sample.node == node and sample.is_at_rest for sample in life) >= 2:
                found.append(Verdict.of(node, life))
        return found

    @property
    def complaints(self) -> list[str]:
        """Everything that is not as it should be; histories have been judged before."""
        return [complaint for verdict in self.verdicts for complaint in verdict.complaints]

    def lines(self) -> Iterator[str]:
        """Say it."""
        counts = Counter(what for _, what in self.happened)
        yield f"{self.took_s / 60:.1f} minutes, {len(self.outcomes)} rounds, each history judged"
        yield "mischief: " + ", ".join(f"{what} x{count}" for what, count in sorted(counts.items()))
        total = {
            name: sum(getattr(outcome, name) for outcome in self.outcomes)
            for name in ("sent", "accepted", "refused", "cut", "lost")
        }
        slowest = max((outcome.recovery_s or 0 for outcome in self.outcomes), default=0.0)
        yield (
            ", ".join(f"{name} {count}" for name, count in total.items())
            + f", slowest recovery {slowest:.2f} s"
        )
        for verdict in self.verdicts:
            yield str(verdict)
        for complaint in self.complaints:
            yield f"GREW: {complaint}"


async def soak(
    directory: Path,
    seconds: float,
    *,
    members: int = 200,
    topics: int = 10,
    seed: int = 1,
    tell: Callable[[str], None] = print,
    report: Report | None = None,
) -> Report:
    """
    Run for so long, and a round longer at most; `report` is filled as it goes, for one who interrupts.

    Raises:
        AssertionError: a history breaks a promise; it is kept under `.cache/faults`.
    """
    random, began = Random(seed), time.monotonic()
    report = Report() if report is None else report
    env = {"MCPX_LOG_LEVEL": "error"}
    async with staged(directory, env=env) as stage:
        with _looking(stage, report, began):
            await _rest(stage, report, began)
            while time.monotonic() - began < seconds:
                name = random.choice(sorted(MISCHIEF))
                await _round(stage, report, began, name, random, members=members, topics=topics)
                await _rest(stage, report, began)
                report.took_s = time.monotonic() - began
                tell(f"soak: {report.took_s:5.0f} s  {report.outcomes[-1]}; at rest {report.at_rest}")
    return report


async def _round(
    stage: Stage, report: Report, began: float, name: str, random: Random, *, members: int, topics: int
) -> None:
    async with talking(stage, members=members, topics=topics, every_s=0.1) as talk:
        report.happened.append((time.monotonic() - began, name))
        await MISCHIEF[name](stage, talk, random)
        if name == "node_killed":
            report.lives[1] = len(report.samples)
        took = await talk.wait_flowing(
            RECOVERED_WITHIN_S, [member for member in talk.members if member.is_in]
        )
        await talk.wait_all_in(RECOVERED_WITHIN_S)
        await talk.settle(roster_within_s=RECOVERED_WITHIN_S)
        report.outcomes.append(talk.outcome(name, took))
    await stage.mend()


async def _rest(stage: Stage, report: Report, began: float) -> None:
    """Wait until nobody is there any more, and look; what was just closed has a while to be gone."""
    for node in (0, 1):
        first = next((one for one in report.samples if one.node == node and one.is_at_rest), None)
        until = time.monotonic() + LINGER_S
        while True:  # another process does not announce it
            sample = await look(stage, node, time.monotonic() - began, is_at_rest=True)
            if sample.is_as_empty_as(first) or (not sample.connections and time.monotonic() > until):
                break
            assert time.monotonic() < until + EMPTY_WITHIN_S, f"node {node} still has {sample.connections}"
            await asyncio.sleep(0.2)
        report.samples.append(sample)


@contextmanager
def _looking(stage: Stage, report: Report, began: float) -> Iterator[None]:
    """Look at both nodes from time to time, whatever happens to them."""

    async def go_on() -> None:
        while True:
            for node in (0, 1):
                with suppress(httpx.HTTPError, KeyError):  # it is dead, or stands still
                    report.samples.append(await look(stage, node, time.monotonic() - began))
            await asyncio.sleep(LOOK_EVERY_S)

    looking = asyncio.create_task(go_on())
    try:
        yield
    finally:
        looking.cancel()
