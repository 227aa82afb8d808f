"""The picture of a run: memory, descriptors and tasks of both nodes, and what happened when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tests import svg
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
        parts.append(svg.text(_LEFT + node * 150 + 18, y, f"node {node}"))
    parts.append(svg.text(_LEFT + 320, y, "dots: everybody has left; lines: mischief", colour="#666"))
    y += 26
    for title, value in _PANELS:
        parts += _panel(report, title, value, y, end)
        y += _HEIGHT + _GAP
    return svg.picture(WIDTH, y, parts)


def _panel(
    report: Report, title: str, value: Callable[[Sample], float], top: float, end: float
) -> Iterator[str]:
    most = max((value(sample) for sample in report.samples), default=1.0) * 1.05 or 1.0
    bottom = top + _HEIGHT

    def x(at: float) -> float:
        return _LEFT + at / end * (WIDTH - _LEFT - _RIGHT)

    def y(number: float) -> float:
        return bottom - number / most * (_HEIGHT - 24)

    yield svg.text(_LEFT, top + 10, title, weight="600")
    for share in (0.0, 0.5, 1.0):
        number = most / 1.05 * share
        yield svg.line(_LEFT, y(number), WIDTH - _RIGHT, y(number), "#ddd")
        yield svg.text(_LEFT - 8, y(number) + 4, f"{number:,.0f}", anchor="end", colour="#666")
    for at, what in report.happened:
        yield svg.line(x(at), top + 20, x(at), bottom, "#bbb", title=what)
    for minute in range(int(end // 60) + 1):
        if minute % max(1, int(end // 600)) == 0:
            yield svg.text(x(minute * 60), bottom + 18, f"{minute} min", anchor="middle", colour="#666")
    for node, colour in enumerate(_COLOURS):
        mine = [sample for sample in report.samples if sample.node == node]
        points = " ".join(f"{x(one.at):.1f},{y(value(one)):.1f}" for one in mine)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'
        for one in mine:
            if one.is_at_rest:
                yield f'<circle cx="{x(one.at):.1f}" cy="{y(value(one)):.1f}" r="3" fill="{colour}"/>'
