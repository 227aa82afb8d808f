"""Dates and times in a text, spoken or written; relative ones by a day that is given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import Final

from router_agent.core.language.amounts import numbers_in
from router_agent.core.language.tables import MONTHS, WEEKDAYS


@dataclass(frozen=True, slots=True)
class Moment:
    """What `text[start:end]` says of the calendar or the clock."""

    start: int
    end: int
    year: int | None = None
    month: int | None = None
    day: int | None = None
    time: time | None = None
    relative: bool = False
    """Whether it was reckoned from the given day, or would have been."""

    @property
    def date(self) -> date | None:
        """The day, when it is known whole."""
        if self.year is None or self.month is None or self.day is None:
            return None
        return date(self.year, self.month, self.day)

    @property
    def has_day(self) -> bool:
        """Whether it names a day, be it without a year."""
        return self.day is not None or self.relative


_MONTH: Final = r"(?P<month>" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\b\.?"
_DAY: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\b"
_YEAR: Final = r"(?P<year>(?:1[0-9]|20|21)\d{2})\b(?!\s?[:%])"
_DATES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?P<year>\d{4})[-/.](?P<month_number>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)",
        r"\b(?P<first>\d{1,2})(?P<mark>[/.-])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})\b",
        rf"\b{_MONTH}(?:\s+|(?<=\.)\s*)(?:the\s+)?{_DAY}(?!\s?[:.]\d)(?:,?\s+(?:of\s+)?(?:the\s+year\s+)?{_YEAR})?",
        rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+(?:of\s+)?{_YEAR})?",
        rf"\b{_MONTH},?\s+(?:of\s+)?(?:the\s+year\s+)?{_YEAR}",
        rf"\b{_YEAR}",
    )
)
_CLOCK: Final = re.compile(
    r"\b(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?::(?P<second>\d{2}))?\s?(?P<half>[ap]\.?\s?m\b\.?|o'?clock\b)"
    r"|(?<![\d:])(?P<hour24>\d{1,2}):(?P<minute24>\d{2})(?::(?P<second24>\d{2}))?(?:\.\d+)?(?![\d:])Z?"
    r"|\b(?P<word>noon|midday|midnight)\b",
    re.IGNORECASE,
)
_PAST: Final = r"(?P<past>half past|quarter past|quarter to)\s+"
_HOUR: Final = r"(?P<hour>one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d{1,2})"
_SPOKEN: Final = re.compile(
    rf"\b(?:{_PAST})?{_HOUR}(?:\s*(?P<half>[ap]\.?\s?m\b\.?)|\s+o'?clock|\s+(?:in the|at)\s+"
    r"(?P<part>morning|afternoon|evening|night))",
    re.IGNORECASE,
)
_HALF_PAST: Final = re.compile(rf"\b{_PAST}{_HOUR}\b", re.IGNORECASE)
_WEEKDAY: Final = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_RELATIVE: Final = re.compile(
    r"\b(?P<plain>day after tomorrow|day before yesterday|today|tonight|tomorrow|yesterday)\b"
    rf"|\b(?P<which>next|this|coming|last|past|on)\s+(?P<weekday>{_WEEKDAY})\b"
    rf"|\b(?P<bare>{_WEEKDAY})\b"
    r"|\bin\s+(?P<ahead>\w+)\s+(?P<unit>days?|weeks?)\b"
    r"|\b(?P<back>\w+)\s+(?P<back_unit>days?|weeks?)\s+ago\b"
    r"|\b(?P<span>(?:next|this|last|coming|upcoming)\s+(?:week|weekend|month|year))\b",
    re.IGNORECASE,
)
_DAYS: Final = {
    "day after tomorrow": 2,
    "day before yesterday": -2,
    "today": 0,
    "tonight": 0,
    "tomorrow": 1,
    "yesterday": -1,
}


def moments_in(text: str, today: date | None = None) -> list[Moment]:
    """
    Return what a text says of days and times, in order; a day and the time beside it are one.

    A day without a year, and a relative one, are reckoned from `today`, or from the day that
    the text says is today; without either they stay incomplete.
    """
    dates, told = list(_dates(text)), (len(text), -1)
    for one in dates:
        if one.date and (hit := _TODAY.search(text, max(0, one.start - 24), one.start)):
            if abs(one.date.toordinal() - _MIDDLE) > _REACH:
                continue
            today, told = one.date, (hit.start(), one.end)
    found: list[Moment] = []
    for one in [*dates, *_relative(text, today), *_times(text)]:
        if told[0] <= one.start and one.end <= told[1]:
            continue
        if all(one.end <= other.start or one.start >= other.end for other in found):
            found.append(one)
    found.sort(key=lambda one: one.start)
    years = {one.year for one in found if one.year is not None and not one.relative}
    only = years.pop() if len(years) == 1 else None
    return [_completed(text, one, today, only) for one in _joined(text, found)]


_TODAY: Final = re.compile(r"\btoday(?:'s date)?(?: is|:) ?(?:the )?\Z", re.IGNORECASE)
_NEXT_YEAR: Final = re.compile(r",?\s+(?:of\s+)?next\s+year\b(?!['’]s)", re.IGNORECASE)
_MIDDLE: Final = date(2000, 1, 1).toordinal()
_REACH: Final = 500_000
"""Days around 2000: a today beyond them is none, and might leave no room to reckon from it."""


def _dates(text: str) -> Iterator[Moment]:
    for pattern in _DATES:
        for hit in pattern.finditer(text):
            said = hit.groupdict()
            year = int(said["year"]) if said.get("year") else None
            day = int(said["day"]) if said.get("day") else None
            month = MONTHS[said["month"].lower()] if said.get("month") else None
            if said.get("month_number"):
                month = int(said["month_number"])
            if said.get("first"):
                first, second = int(said["first"]), int(said["second"])
                month, day = (second, first) if first > 12 or said["mark"] == "." else (first, second)
            if said.get("month", "").lower() in {"may", "mar", "sun"} and day is None and year is None:
                continue
            if _is_possible(year, month, day):
                yield Moment(hit.start(), hit.end(), year, month, day)


def _is_possible(year: int | None, month: int | None, day: int | None) -> bool:
    try:
        date(2000 if year is None else year, 1 if month is None else month, 1 if day is None else day)
    except ValueError:
        return False
    return True


def _times(text: str) -> Iterator[Moment]:
    for hit in _CLOCK.finditer(text):
        if hit["word"]:
            yield Moment(hit.start(), hit.end(), time=time(0 if hit["word"].lower() == "midnight" else 12))
            continue
        hour = int(hit["hour"] or hit["hour24"])
        minute, second = hit["minute"] or hit["minute24"], hit["second"] or hit["second24"]
        half = (hit["half"] or "").lower().replace(".", "").replace(" ", "")
        at = _clock(hour, int(minute or 0), int(second or 0), half)
        if at is not None:
            yield Moment(hit.start(), hit.end(), time=at)
    for pattern in (_SPOKEN, _HALF_PAST):
        for hit in pattern.finditer(text):
            said = hit.groupdict()
            numbers = numbers_in(said["hour"])
            half = (said.get("half") or "").lower().replace(".", "").replace(" ", "")
            if said.get("part"):
                half = "am" if said["part"].lower() == "morning" else "pm"
            hour, minute = int(numbers[0].value), 0
            match (said["past"] or "").lower():
                case "half past":
                    minute = 30
                case "quarter past":
                    minute = 15
                case "quarter to":
                    hour, minute = (hour - 1) or 12, 45
                case _:
                    pass
            at = _clock(hour, minute, 0, half)
            if at is not None:
                yield Moment(hit.start(), hit.end(), time=at)


def _clock(hour: int, minute: int, second: int, half: str) -> time | None:
    if half == "pm" and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    return time(hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None


def _relative(text: str, today: date | None) -> Iterator[Moment]:
    for hit in _RELATIVE.finditer(text):
        day: date | None = None
        if hit["span"]:
            yield Moment(hit.start(), hit.end(), relative=True)
            continue
        if hit["plain"]:
            day = today + timedelta(days=_DAYS[hit["plain"].lower()]) if today else None
        elif weekday := hit["weekday"] or hit["bare"]:
            day = _weekday(today, WEEKDAYS[weekday.lower()], (hit["which"] or "").lower()) if today else None
        else:
            word, unit = hit["ahead"] or hit["back"], hit["unit"] or hit["back_unit"]
            numbers = numbers_in("one" if word.lower() in {"a", "an"} else word)
            if not numbers or abs(numbers[0].value) > 10_000:
                continue
            days = int(numbers[0].value) * (7 if unit.lower().startswith("week") else 1)
            day = today + timedelta(days=days if hit["ahead"] else -days) if today else None
        start = hit.start("weekday") if (hit["which"] or "").lower() == "on" else hit.start()
        if day is None:
            yield Moment(start, hit.end(), relative=True)
        else:
            yield Moment(start, hit.end(), day.year, day.month, day.day, relative=True)


def _weekday(today: date, weekday: int, which: str) -> date:
    ahead = (weekday - today.weekday()) % 7
    if which in {"last", "past"}:
        return today - timedelta(days=(today.weekday() - weekday) % 7 or 7)
    if which == "next" or ahead == 0:
        ahead = ahead or 7
    return today + timedelta(days=ahead)


_BETWEEN: Final = re.compile(r"\s*(?:,|T|at|@|from|around|by|on|in the|of)?\s*(?:at\s+)?", re.IGNORECASE)


def _joined(text: str, found: list[Moment]) -> list[Moment]:
    """Put a day and the time that follows it, or comes before it, together."""
    out: list[Moment] = []
    for one in found:
        last = out[-1] if out else None
        if last and _BETWEEN.fullmatch(text, last.end, one.start):
            day, clock = (last, one) if one.time else (one, last)
            if day.time is None and day.has_day and clock.time is not None and not clock.has_day:
                out[-1] = replace(day, start=last.start, end=one.end, time=clock.time)
                continue
        out.append(one)
    return out


def _completed(text: str, one: Moment, today: date | None, only: int | None) -> Moment:
    """Give a day without a year the only year that is said, else the next in which it comes."""
    if one.year is not None or one.month is None or one.day is None:
        return one
    if (
        today is not None
        and _NEXT_YEAR.match(text, one.end)
        and _is_possible(today.year + 1, one.month, one.day)
    ):
        return replace(one, year=today.year + 1)
    if only is not None and _is_possible(only, one.month, one.day):
        return replace(one, year=only)
    if today is None:
        return one
    for year in (today.year, today.year + 1):
        if _is_possible(year, one.month, one.day) and date(year, one.month, one.day) >= today:
            return replace(one, year=year)
    return one
