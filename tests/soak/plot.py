"""The picture of a run: memory, descriptors and tasks of both nodes, and what happened when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from typing import Final

from tests.soak.run import Report
from tests.soak.samples import Sample

WIDTH: Final = 960
_HEIGHT, _LEFT, _RIGHT, _GAP = 170, 70, 20, 58
_COLOURS: Final = ("#0072b2", "#d55e00")
"""Told apart by the colour-blind, too."""

_PANELS: Final[tuple[tuple[str, Callable[[Sample], float]], ...]] = (
    ("Resident memory, MiB", lambda sample: sample.memory / (1 << 20)),
    ("Open descriptors", lambda sample: sample.descriptors),
    ("Tasks of the event loop", lambda sample: sample.tasks),
    ("Connections", lambda sample: sample.connections),
)


def as_svg(report: Report) -> str:
    """Return the picture as SVG text."""
    end = max((sample.at for sample in report.samples), default=1.0) or 1.0
    parts: list[str] = []
    y = 30.0
    for node, colour in enumerate(_COLOURS):
        parts.append(f'<rect x="{_LEFT + node * 150}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(_LEFT + node * 150 + 18, y, f"node {node}"))
    parts.append(_text(_LEFT + 320, y, "dots: everybody has left; lines: mischief", colour="#666"))
    y += 26
    for title, value in _PANELS:
        parts += _panel(report, title, value, y, end)
        y += _HEIGHT + _GAP
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg"'
        f' viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" height="{y:.0f}"'
        ' font-family="system-ui, sans-serif" font-size="13" fill="#222">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y:.0f}" fill="#fff"/>', *parts, "</svg>", ""])


def _panel(
    report: Report, title: str, value: Callable[[Sample], float], top: float, end: float
) -> Iterator[str]:
    most = max((value(sample) for sample in report.samples), default=1.0) * 1.05 or 1.0
    bottom = top + _HEIGHT

    def x(at: float) -> float:
        return _LEFT + at / end * (WIDTH - _LEFT - _RIGHT)

    def y(number: float) -> float:
        return bottom - number / most * (_HEIGHT - 24)

    yield _text(_LEFT, top + 10, title, weight="600")
    for share in (0.0, 0.5, 1.0):
        number = most / 1.05 * share
        yield _line(_LEFT, y(number), WIDTH - _RIGHT, y(number), "#ddd")
        yield _text(_LEFT - 8, y(number) + 4, f"{number:,.0f}", anchor="end", colour="#666")
    for at, what in report.happened:
        yield _line(x(at), top + 20, x(at), bottom, "#bbb", what)
    for minute in range(int(end // 60) + 1):
        if minute % max(1, int(end // 600)) == 0:
            yield _text(x(minute * 60), bottom + 18, f"{minute} min", anchor="middle", colour="#666")
    for node, colour in enumerate(_COLOURS):
        mine = [sample for sample in report.samples if sample.node == node]
        points = " ".join(f"{x(one.at):.1f},{y(value(one)):.1f}" for one in mine)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'
        for one in mine:
            if one.is_at_rest:
                yield f'<circle cx="{x(one.at):.1f}" cy="{y(value(one)):.1f}" r="3" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, title: str = "") -> str:
    told = f"<title>{escape(title)}</title>" if title else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}">{told}</line>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400", colour: str = "#222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
