"""The few marks of which the pictures of benches and soaks are made, as SVG text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def picture(width: int, height: float, parts: Sequence[str]) -> str:
    """Return a whole picture on white, in pixels."""
    size = f"{width}", f"{height:.0f}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}"'
        f' height="{size[1]}" font-family="system-ui, sans-serif" font-size="13" fill="#222">'
    )
    ground = f'<rect width="{size[0]}" height="{size[1]}" fill="#fff"/>'
    return "\n".join([head, ground, *parts, "</svg>", ""])


def text(
    x: float, y: float, said: str, *, anchor: str = "start", weight: str = "400", colour: str = "#222"
) -> str:
    """Return a line of text that begins, or by its anchor ends or has its middle, at a point."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
        f"{escape(said)}</text>"
    )


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    colour: str,
    *,
    width: float = 1,
    opacity: float = 1,
    title: str = "",
) -> str:
    """Return a straight line; a browser shows its title to one who points at it."""
    told = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"'
        f' stroke-width="{width}" stroke-opacity="{opacity}">{told}</line>'
    )
