"""Tables for people: medians, spread, and how many times a server's cost the gateway's is."""

from __future__ import annotations

from tests.bench.results import Results, Spread

_SHOWN = {
    "deliv_per_s": "deliveries/s",
    "rtt_per_s": "trips/s",
    "conn_per_s": "conn/s",
    "srv_cpu_us_per": "CPU µs each",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "p999_us": "p99.9 µs",
    "kb_per_conn": "KB/conn",
    "idle_cpu_util": "CPU at rest",
    "srv_cpu_util": "server busy",
    "cli_cpu_util": "load busy",
    "gaps": "gaps",
    "disorder": "disorder",
}


def as_tables(results: Results, reference: str = "gateway") -> str:
    """Return a table for each case; the ratio is server / `reference`, by CPU, paired by round."""
    return "\n".join(_case_table(results, case, reference) for case in results.cases)


def _case_table(results: Results, case: str, reference: str) -> str:
    servers = results.servers(case)
    shown = [figure for figure in _SHOWN if any(results.values(case, name, figure) for name in servers)]
    lines = [f"\n{case}", f"{'':22}" + "".join(f"{_SHOWN[f]:>14}" for f in shown) + f"{'/ ' + reference:>26}"]
    for name in servers:
        cells = "".join(f"{_number(results.spread(case, name, figure)):>14}" for figure in shown)
        ratio = results.ratio(case, "srv_cpu_us_per", name, reference)
        lines.append(f"{name:22}{cells}{_with_spread(ratio):>26}")
    return "\n".join(lines)


def _number(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    value = spread.median
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _with_spread(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.median:.2f} ({spread.low:.2f}-{spread.high:.2f})"
