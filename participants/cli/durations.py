"""Spans of time as people write them: `90`, `90s`, `15m`, `8h`, `7d`."""

from __future__ import annotations

import re
from typing import Final

import typer

_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """
    Return the seconds that `text` names.

    Raises:
        typer.BadParameter: it names none, or nothing longer than zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None or float(match[1]) == 0:
        raise typer.BadParameter(f"{text!r} is no span of time; write 90s, 15m, 8h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def spoken(seconds: float) -> str:
    """Say a span in its largest whole unit: `8 h`, `90 s`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
