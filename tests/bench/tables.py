"""Tables: medians with their spread as text for a terminal, and as Markdown for a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from tests.bench.bars import Judgement
from tests.bench.cases import CONNECTIONS, FAN_OUT, LATENCY, NODES, OWN_COST, SIZES, STALLED, Case, Figure
from tests.bench.results import Results, Spread
from tests.bench.servers import TITLES, Name

_SHOWN: Final = {
    "deliv_per_s": "deliveries/s",
    "rtt_per_s": "trips/s",
    "conn_per_s": "conn/s",
    Figure.CPU_US: "CPU µs each",
    Figure.P50_US: "p50 µs",
    Figure.P99_US: "p99 µs",
    "p999_us": "p99.9 µs",
    Figure.KB_PER_CONNECTION: "KB/conn",
    "idle_cpu_util": "CPU at rest",
    "rss_peak_growth_kb": "growth KB",
    "stalled_code": "closed with",
    Figure.SETTLED_S: "settled s",
    "srv_cpu_util": "server busy",
    "cli_cpu_util": "load busy",
    "gaps": "gaps",
    "disorder": "disorder",
}
"""What of the load generator's answer is shown, and as what."""

_LATENCIES: Final = ((Figure.P50_US, "p50"), (Figure.P99_US, "p99"), ("p999_us", "p99.9"))


def as_text(results: Results, reference: str = Name.GATEWAY) -> str:
    """Return a table for each case; the last column is server / `reference` by CPU, paired by round."""
    return "\n".join(_case_as_text(results, case, reference) for case in results.cases)


def _case_as_text(results: Results, case: str, reference: str) -> str:
    servers = results.servers(case)
    shown = [figure for figure in _SHOWN if any(results.values(case, name, figure) for name in servers)]
    width = max(20, *(len(name) for name in servers)) + 2
    heads = "".join(f"{_SHOWN[figure]:>14}" for figure in shown)
    lines = [f"\n{case}", f"{'':{width}}{heads}{'CPU / ' + reference + ' (low-high)':>34}"]
    for name in servers:
        cells = "".join(f"{_number(results.spread(case, name, figure)):>14}" for figure in shown)
        ratio = results.ratio(case, Figure.CPU_US, name, reference)
        lines.append(f"{name:{width}}{cells}{_with_spread(ratio):>34}")
    return "\n".join(lines)


def bars_as_text(judgements: Sequence[Judgement]) -> str:
    """Return a line for each bar: number, claim, median and spread, limit, verdict."""
    lines = [f"{'bar':>3}  {'claim':<58}{'median (low-high)':>30}{'limit':>10}  verdict"]
    for judgement in judgements:
        bar = judgement.bar
        lines.append(
            f"{bar.number:>3}  {bar.claim:<58}{_with_spread(judgement.spread):>30}{_limit(judgement):>10}"
            f"  {judgement.verdict}{', and the moonshot' if judgement.reaches_the_moon else ''}"
        )
    return "\n".join(lines)


def as_markdown(results: Results, judgements: Sequence[Judgement]) -> str:
    """Return everything that a run gave, as the tables of a page."""
    counts = Counter((row.case, row.server) for row in results.rows).values()
    rounds = " to ".join(str(count) for count in sorted({min(counts, default=0), max(counts, default=0)}))
    return "\n\n".join(
        [
            f"Medians of {rounds} interleaved rounds; in brackets the lowest and the highest of them.",
            "### Server CPU, µs for a delivery or a round trip",
            _figures(results, (*FAN_OUT, *SIZES, *LATENCY[1:3]), Figure.CPU_US),
            "### The same, as a multiple of the gateway's: above 1 the gateway is cheaper",
            _ratios(results, (*FAN_OUT, *SIZES, *LATENCY[1:3])),
            "### Latency, µs",
            _latencies(results, (*LATENCY, *NODES[2:], *STALLED)),
            "### The gateway's own cost, and two nodes: server CPU, µs for a delivery",
            _figures(results, (*OWN_COST, *NODES[:2]), Figure.CPU_US),
            "### Connections",
            _connections(results),
            "### The bars",
            _bars(judgements),
        ]
    )


def _columns(results: Results, cases: Sequence[Case]) -> list[Name]:
    return [name for name in Name if any(results.values(case.name, name, Figure.CPU_US) for case in cases)]


def _figures(results: Results, cases: Sequence[Case], figure: str) -> str:
    names = _columns(results, cases)
    rows = [
        [case.title, *(_number(results.spread(case.name, name, figure)) for name in names)] for case in cases
    ]
    return _table(["", *(TITLES[name] for name in names)], rows)


def _ratios(results: Results, cases: Sequence[Case]) -> str:
    names = [name for name in _columns(results, cases) if name is not Name.GATEWAY]
    rows = [
        [
            case.title,
            *(_with_spread(results.ratio(case.name, Figure.CPU_US, name, Name.GATEWAY)) for name in names),
        ]
        for case in cases
    ]
    return _table(["", *(TITLES[name] for name in names)], rows)


def _latencies(results: Results, cases: Sequence[Case]) -> str:
    names = _columns(results, cases)
    rows = [
        [f"{case.title}: {what}", *(_number(results.spread(case.name, name, figure)) for name in names)]
        for case in cases
        for figure, what in _LATENCIES
    ]
    return _table(["", *(TITLES[name] for name in names)], rows)


def _connections(results: Results) -> str:
    storm, _, _, idle = CONNECTIONS
    rows = []
    for name in _columns(results, CONNECTIONS):
        costs = [results.spread(case.name, name, Figure.CPU_US) for case in CONNECTIONS[:2]]
        joined = results.spread("joins1000", name, Figure.SETTLED_S)
        memory = results.spread(idle.name, name, Figure.KB_PER_CONNECTION)
        rows.append([TITLES[name], *(_number(cost) for cost in costs), _number(joined), _number(memory)])
    heads = [
        "",
        f"{storm.title}: CPU µs",
        "a token seen before: CPU µs",
        "1,000 joins, s",
        "KB an idle connection",
    ]
    return _table(heads, rows)


def _bars(judgements: Sequence[Judgement]) -> str:
    rows = [
        [
            str(judgement.bar.number),
            judgement.bar.claim,
            _with_spread(judgement.spread),
            _limit(judgement),
            f"{judgement.verdict}, and the moonshot"
            if judgement.reaches_the_moon
            else str(judgement.verdict),
        ]
        for judgement in judgements
    ]
    return _table(["bar", "", "measured", "limit", ""], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    kept = [row for row in rows if any(cell != "–" for cell in row[1:])]
    lines = [heads, ["---"] * len(heads), *kept]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _limit(judgement: Judgement) -> str:
    return f"{'≥' if judgement.bar.is_floor else '≤'} {judgement.bar.limit:g}"


def _number(spread: Spread | None) -> str:
    return "–" if spread is None else _short(spread.median)


def _with_spread(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    return f"{_short(spread.median)} ({_short(spread.low)}–{_short(spread.high)})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
