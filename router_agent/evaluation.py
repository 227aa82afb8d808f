"""Evaluates a router on files of cases: a table, and the curves behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from router_agent.cases import Case
from router_agent.core import Catalogue, Router, calibration_error
from router_agent.scoring import Judged, judge, percentile, precision_at, refused_at, risk_coverage

COVERAGE: Final = 0.4
KEPT: Final = 0.95


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a group of cases in numbers; shares from 0 to 1, `None` where there are none."""

    group: str
    cases: int
    tool: float | None
    """Right tools, acted on or not."""
    full: float | None
    """Right in full, acted on or not."""
    acted_full: float | None
    """Right in full and acted on."""
    kept: float | None
    """Of the cases that want a call, those acted on."""
    refused: float | None
    """Of the cases that want none, those not acted on."""
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found."""

    rows: tuple[Row, ...]
    judged: tuple[Judged, ...]

    @property
    def precision(self) -> float:
        """Precision of what is acted on, at 40 % coverage."""
        return precision_at(self.judged, COVERAGE)

    @property
    def refused(self) -> float:
        """Share of requests without a tool that are refused where 95 % of the others pass."""
        return refused_at(self.judged, KEPT)

    @property
    def calibration(self) -> float:
        """Expected calibration error of what is acted on, 0 to 1."""
        acted = [(one.confidence, one.full and one.wants_call) for one in self.judged if one.acted]
        return calibration_error(acted) if acted else 0.0


def evaluate(
    router: Router,
    cases: Iterable[Case],
    progress: Callable[[], object] | None = None,
    meet: Callable[[Catalogue], object] | None = None,
) -> Report:
    """
    Route every case that says what is right, and score it; one at a time, so that times are true.

    `meet` is shown a case's tools before its intent is routed, as an encoder is in a topic.
    """
    judged: list[Judged] = []
    for case in cases:
        if meet is not None:
            meet(case.catalogue)
        if case.expected is not None:
            judged.append(judge(case, router.route(case.intent, case.catalogue, case.today)))
        if progress is not None:
            progress()
    groups = list(dict.fromkeys(one.group for one in judged))
    rows = [_row(group, [one for one in judged if one.group == group]) for group in groups]
    if len(groups) > 1:
        rows.append(_row("all", judged))
    return Report(tuple(rows), tuple(judged))


def lines_of(report: Report) -> list[str]:
    """Write a report as a table in plain text."""
    names = f"{'tool':>7} {'call':>7} {'acted':>7} {'kept':>7} {'refused':>8} {'p50 ms':>7} {'p95 ms':>7}"
    head = f"{'':24} {'cases':>6} {names}"
    out = [head]
    for row in report.rows:
        shares = " ".join(
            f"{_percent(value):>{width}}"
            for value, width in (
                (row.tool, 7),
                (row.full, 7),
                (row.acted_full, 7),
                (row.kept, 7),
                (row.refused, 8),
            )
        )
        out.append(f"{row.group:24} {row.cases:6} {shares} {row.p50_ms:7.1f} {row.p95_ms:7.1f}")
    out += [
        "",
        f"precision when it acts, at {COVERAGE:.0%} coverage: {_percent(report.precision)}",
        f"refused where no tool fits, with {KEPT:.0%} of the others kept: {_percent(report.refused)}",
        f"expected calibration error: {report.calibration:.3f}",
        "",
        f"{'confidence at least':>20} {'coverage':>9} {'precision':>10}",
    ]
    curve = risk_coverage(report.judged)
    for step in range(10):
        at = [one for one in curve if one.threshold >= step / 10]
        if at:
            out.append(f"{step / 10:20.1f} {_percent(at[-1].coverage):>9} {_percent(at[-1].precision):>10}")
    return out


def _row(group: str, judged: Sequence[Judged]) -> Row:
    wants = [one for one in judged if one.wants_call]
    none = [one for one in judged if not one.wants_call]
    times = [one.ms for one in judged]
    return Row(
        group,
        len(judged),
        _share([one.best_tool for one in wants]),
        _share([one.best_full for one in wants]),
        _share([one.full for one in wants]),
        _share([one.acted for one in wants]),
        _share([not one.acted for one in none]),
        percentile(times, 0.5),
        percentile(times, 0.95),
    )


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
