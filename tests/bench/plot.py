"""The picture of a run: everybody's cost beside the gateway's, delays, and memory."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from tests import svg
from tests.bench.cases import FAN_OUT, LATENCY, SIZES, Figure
from tests.bench.results import Results
from tests.bench.servers import TITLES, Name

WIDTH: Final = 960
_LEFT, _RIGHT, _ROW, _GAP = 270, 40, 26, 62

_COLOURS: Final = {
    Name.GATEWAY: "#d55e00",
    Name.C_WRITE: "#9a9a9a",
    Name.C_COALESCED: "#222222",
    Name.UWEBSOCKETS: "#0072b2",
    Name.NATS: "#009e73",
    Name.WS: "#cc79a7",
    Name.BROADCAST: "#e69f00",
    Name.STARLETTE: "#56b4e9",
}
"""Told apart by the colour-blind, too."""

_SHOWN: Final = tuple(_COLOURS)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis from `low` to `high`, with a tick at each power of `base`."""

    low: float
    high: float
    base: int

    @classmethod
    def around(cls, values: Sequence[float], base: int) -> _Axis:
        low, high = (math.log(value, base) for value in (min(values), max(values)))
        return cls(base ** math.floor(low), base ** max(math.ceil(high), math.floor(low) + 1), base)

    def x(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def ticks(self) -> Iterator[float]:
        tick = self.low
        while tick <= self.high * 1.001:
            yield tick
            tick *= self.base


def as_svg(results: Results) -> str:
    """Return the picture as SVG text."""
    parts: list[str] = []
    y = _legend(parts, [name for name in _SHOWN if name in results.servers()])
    for panel in (_cost_panel, _latency_panel, _memory_panel):
        y = panel(parts, results, y)
    return svg.picture(WIDTH, y, parts)


def write_png(drawn: Path, png: Path) -> None:
    """Let Chromium draw the SVG at twice its size."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(device_scale_factor=2, viewport={"width": WIDTH, "height": 400})
        page.set_content(f'<body style="margin:0">{drawn.read_text()}')
        page.locator("svg").screenshot(path=png)
        browser.close()


def _legend(parts: list[str], names: Sequence[Name]) -> float:
    x, y = 24.0, 30.0
    for name in names:
        needed = 36 + 6.9 * len(TITLES[name])
        if x + needed > WIDTH:
            x, y = 24.0, y + 22
        parts.append(_dot(x, y - 4, name))
        parts.append(svg.text(x + 12, y, TITLES[name]))
        x += needed
    return y + 34


def _cost_panel(parts: list[str], results: Results, y: float) -> float:
    """Draw a row for each case: everybody's CPU as a multiple of the gateway's, with the rounds' spread."""
    rows = []
    for case in (*FAN_OUT, *SIZES, *LATENCY):
        if case.figure is Figure.CPU_US or case.name == "paced100":
            ratios = [
                (name, ratio)
                for name in _SHOWN
                if (ratio := results.ratio(case.name, Figure.CPU_US, name, Name.GATEWAY)) is not None
            ]
            if ratios:
                rows.append((case.title, ratios))
    if not rows:
        return y
    axis = _Axis.around([s.median for _, ratios in rows for _, s in ratios] + [0.5, 2], 2)
    y = _frame(
        parts, y, len(rows), axis, "Server CPU for the same work, as a multiple of the gateway's", "{:g}×"
    )
    for title, ratios in rows:
        parts.append(svg.text(_LEFT - 14, y + 4, title, anchor="end"))
        for name, spread in reversed(ratios):
            low, high = (min(max(value, axis.low), axis.high) for value in (spread.low, spread.high))
            parts.append(svg.line(axis.x(low), y, axis.x(high), y, _COLOURS[name], width=2, opacity=0.45))
            parts.append(_dot(axis.x(spread.median), y, name))
        y += _ROW
    return y + _GAP - _ROW


def _latency_panel(parts: list[str], results: Results, y: float) -> float:
    """Draw a row for each server: p50, p99 and p99.9 at the paced rate."""
    figures = (Figure.P50_US, Figure.P99_US, "p999_us")
    rows = []
    for name in _SHOWN:
        spreads = [results.spread("paced100", name, figure) for figure in figures]
        if all(spread is not None and spread.median > 0 for spread in spreads):
            rows.append((name, [spread.median for spread in spreads if spread is not None]))
    if not rows:
        return y
    axis = _Axis.around([value for _, values in rows for value in values], 10)
    title = "Latency at 100,000 deliveries a second, µs: p50, p99, p99.9"
    y = _frame(parts, y, len(rows), axis, title, "{:,.0f}")
    for name, values in rows:
        parts.append(svg.text(_LEFT - 14, y + 4, TITLES[name], anchor="end"))
        parts.append(
            svg.line(axis.x(values[0]), y, axis.x(values[-1]), y, _COLOURS[name], width=2, opacity=0.45)
        )
        parts += [
            _dot(axis.x(value), y, name, radius)
            for value, radius in zip(values, (6.5, 5.0, 3.5), strict=True)
        ]
        y += _ROW
    return y + _GAP - _ROW


def _memory_panel(parts: list[str], results: Results, y: float) -> float:
    """Draw a bar for each server: what an idle connection keeps."""
    rows = [
        (name, spread.median)
        for name in _SHOWN
        if (spread := results.spread("idle", name, Figure.KB_PER_CONNECTION)) is not None
    ]
    if not rows:
        return y
    scale = (WIDTH - _LEFT - _RIGHT - 60) / max(value for _, value in rows)
    parts.append(svg.text(24, y, "Memory of an idle connection, KB", weight="600"))
    y += 28
    for name, value in rows:
        parts.append(svg.text(_LEFT - 14, y + 4, TITLES[name], anchor="end"))
        parts.append(
            f'<rect x="{_LEFT}" y="{y - 8:.1f}" width="{max(value, 0) * scale + 1:.1f}" height="15"'
            f' fill="{_COLOURS[name]}"/>'
        )
        parts.append(svg.text(_LEFT + max(value, 0) * scale + 8, y + 4, f"{value:.1f}"))
        y += _ROW
    return y


def _frame(parts: list[str], y: float, rows: int, axis: _Axis, title: str, tick: str) -> float:
    parts.append(svg.text(24, y, title, weight="600"))
    top, bottom = y + 14, y + 14 + rows * _ROW
    for value in axis.ticks():
        x = axis.x(value)
        parts.append(svg.line(x, top, x, bottom, "#222" if value == 1 else "#ddd"))
        parts.append(svg.text(x, bottom + 18, tick.format(value), anchor="middle", colour="#666"))
    return top + _ROW / 2


def _dot(x: float, y: float, name: Name, radius: float = 5.5) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{_COLOURS[name]}" stroke="#fff">'
        f"<title>{escape(TITLES[name])}</title></circle>"
    )
