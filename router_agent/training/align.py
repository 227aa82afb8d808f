"""Where in an intent a value stands, when only the value is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from router_agent.training.values import MONTHS, NUMBER_WORDS

_NUMBERS = {word: number for number, word in enumerate(NUMBER_WORDS)} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "hundred": 100,
}  # fmt: skip  # a list of words, not a line for each
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_ISO = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(\d{2})")


def span_of(value: Any, intent: str) -> tuple[int, int] | None:
    """The first place whose words mean `value`; None when it is not said so."""
    match value:
        case bool() | None:
            return None
        case int() | float():
            return _number_span(float(value), intent)
        case str():
            return _text_span(value, intent)
        case [*items]:
            return _list_span(items, intent)
        case _:
            return None


def _text_span(value: str, intent: str) -> tuple[int, int] | None:
    text = value.strip().strip(".")
    if not text:
        return None
    for pattern in (re.escape(text), re.sub(r"\\?[\s_-]+", r"[\\s_-]+", re.escape(text))):
        found = re.search(rf"(?<!\w){pattern}(?!\w)", intent, re.IGNORECASE)
        if found:
            return found.span()
    if iso := _ISO.fullmatch(text):
        return _date_span(int(iso[1]), int(iso[2]), int(iso[3]), intent)
    if _NUMBER.fullmatch(text):
        return _number_span(float(text.replace(",", "")), intent)
    found = re.search(rf"(?<!\w){re.escape(text)}(?:s|es)?(?!\w)", intent, re.IGNORECASE)
    return found.span() if found else None


def _date_span(year: int, month: int, day: int, intent: str) -> tuple[int, int] | None:
    name = MONTHS[month - 1]
    month_name = rf"(?:{name}|{name[:3]}\.?)"
    shapes = (
        rf"{month_name} 0?{day}(?:st|nd|rd|th)?(?:,? {year})?",
        rf"(?:the )?0?{day}(?:st|nd|rd|th)?(?: of)? {month_name}(?:,? {year})?",
        rf"0?{month}/0?{day}/{year}",
        rf"0?{day}[./]0?{month}[./]{year}",
    )
    for shape in shapes:
        if found := re.search(rf"(?<!\w){shape}(?!\w)", intent, re.IGNORECASE):
            return found.span()
    return None


def _number_span(value: float, intent: str) -> tuple[int, int] | None:
    for found in _NUMBER.finditer(intent):
        try:
            said = float(found.group().rstrip(",").replace(",", ""))
        except ValueError:
            continue
        if said in (value, value * 100) or -said == value:
            return found.start(), found.start() + len(found.group().rstrip(","))
    for found in re.finditer(r"[a-z]+", intent.lower()):
        if _NUMBERS.get(found.group()) == value:
            return found.span()
    return None


def _list_span(items: Sequence[Any], intent: str) -> tuple[int, int] | None:
    spans = [span_of(item, intent) for item in items]
    known = [span for span in spans if span is not None]
    if not known or len(known) < len(spans):
        return None
    start, end = min(at for at, _ in known), max(at for _, at in known)
    return (start, end) if end - start <= 20 + 2 * sum(to - at for at, to in known) else None
