"""How a parameter wants a day or a time written: read off its schema, description and examples."""

from __future__ import annotations

import re
from datetime import time
from typing import Final

from router_agent.core.language.moments import Moment
from router_agent.core.parameters import Parameter

_LAYOUT: Final = re.compile(
    r"(?:YYYY|DD|MM|%Y|%d|%m|yyyy|dd|mm)[-/.](?:MM|DD|%m|%d|YYYY|mm|dd)[-/.](?:DD|YYYY|%d|%Y|dd|yyyy)"
    r"(?:(?:\s|T|'T')(?:HH|hh|%H):(?:MM|mm|%M)(?::(?:SS|ss|%S))?(?:\.\w+)?(?P<zone>Z|'Z')?)?"
)
_CLOCK_LAYOUT: Final = re.compile(
    r"(?:HH|hh|%H|%I):(?:MM|mm|%M)(?P<seconds>:(?:SS|ss|%S))?(?P<half>\s?(?:AM/PM|am/pm|%p)\b)?"
)
_SAMPLE: Final = re.compile(
    r"(?P<iso>\d{4}-\d{2}-\d{2})(?:(?P<t>[T ])\d{2}:\d{2}(?P<s>:\d{2})?(?P<z>Z)?)?"
    r"|(?P<us>\d{1,2}/\d{1,2}/\d{4})|(?P<clock>\d{1,2}:\d{2})\s?(?P<half>[AaPp]\.?[Mm])?"
)
_DAY_TOKEN: Final = re.compile(r"%?(?:[Yy]+|[Mm]+|[Dd]+)")
_DAY_TOKENS: Final = {"Y": "Y", "M": "m", "D": "d"}
_DATE_NAMES: Final = (
    "date",
    "day",
    "when",
    "deadline",
    "birthday",
    "dob",
    "departure",
    "arrival",
    "checkin",
    "checkout",
)


def wants_moment(parameter: Parameter) -> bool:
    """Whether it is a day or a time as text."""
    if parameter.kind not in {"string", "array"} or parameter.choices:
        return False
    return wants_day(parameter) or wants_time(parameter)


def wants_day(parameter: Parameter) -> bool:
    """Whether it takes a day, perhaps with a time."""
    if parameter.format in {"date", "date-time"}:
        return True
    if parameter.format == "time":
        return False
    if parameter.named(*_DATE_NAMES) and not parameter.named("days", "range", "format", "type", "id"):
        return True
    return (
        bool(_LAYOUT.search(parameter.description))
        or (parameter.named("time", "start", "end", "at", "timestamp") and parameter.says("date", "iso 8601"))
        or _is_edge(parameter)
    )


def wants_time(parameter: Parameter) -> bool:
    """Whether it takes a time of the day."""
    if parameter.format in {"time", "date-time"}:
        return True
    if parameter.named("timezone", "zone", "period", "frame", "range", "times", "limit", "format", "type"):
        return False
    return (
        parameter.named("time", "datetime", "timestamp", "clock")
        or bool(_CLOCK_LAYOUT.search(parameter.description))
        or _is_edge(parameter)
    )


def _is_edge(parameter: Parameter) -> bool:
    """Whether it says in words when something begins or ends."""
    return parameter.named("start", "begin", "end", "due", "until") and parameter.says("when")


def is_span(parameter: Parameter) -> bool:
    """Whether its description shows two days with "to" between them."""
    return bool(_SPAN.search(parameter.description))


_SPAN: Final = re.compile(rf"(?:{_LAYOUT.pattern}) to (?:{_LAYOUT.pattern.replace('?P<zone>', '?:')})")


def write(moment: Moment, parameter: Parameter, said: str) -> str:
    """Write a moment as the parameter wants it; `said` are its words, kept when it is incomplete."""
    layout = _LAYOUT.search(parameter.description)
    sample = None if layout else next(filter(None, map(_SAMPLE.search, parameter.examples)), None)
    if sample is None and not layout:
        sample = _SAMPLE.search(parameter.description)
    if not wants_day(parameter) or not moment.has_day:
        return _write_time(moment, parameter, said, sample) if moment.time else said
    day = moment.date
    if day is None:
        return said
    if layout:
        return _fill(layout, moment)
    spoken = _SPOKEN_LAYOUT.search(parameter.description)
    if spoken:
        parts = {"month": f"{day:%m}", "day": f"{day:%d}", "year": f"{day:%Y}"}
        return spoken[2].join(parts[spoken[number].lower()] for number in (1, 3, 4))
    if sample and sample["us"]:
        return f"{day:%m/%d/%Y}"
    clock = moment.time
    if parameter.format == "date-time" or (sample and sample["t"]):
        mark = (sample and sample["t"]) or "T"
        zone = "Z" if sample is None or sample["z"] else ""
        return f"{day:%Y-%m-%d}{mark}{clock or '00:00:00'}{zone}"
    if clock is not None and wants_time(parameter):
        return f"{day:%Y-%m-%d}T{clock}"
    return f"{day:%Y-%m-%d}"


_SPOKEN_LAYOUT: Final = re.compile(
    r"\b(month|day|year)\s?([-/.])\s?(month|day|year)\s?[-/.]\s?(month|day|year)\b", re.IGNORECASE
)


def _fill(layout: re.Match[str], moment: Moment) -> str:
    assert moment.date is not None
    text = layout.group().replace("'", "")
    days, clock = (text[:8], text[8:]) if "%" in text else (text[:10], text[10:])
    said = _DAY_TOKEN.sub(lambda hit: f"{moment.date:%{_DAY_TOKENS[hit.group()[-1].upper()]}}", days)
    if clock:
        at = moment.time or time(0)
        said += clock[0] + at.strftime("%H:%M:%S" if clock.count(":") == 2 else "%H:%M")
    return said + ("Z" if layout["zone"] else "")


def _write_time(moment: Moment, parameter: Parameter, said: str, sample: re.Match[str] | None) -> str:
    clock = moment.time
    assert clock is not None
    # of several, the one without halves of the day that is no more precise than what was said
    layouts = sorted(
        _CLOCK_LAYOUT.finditer(parameter.description),
        key=lambda one: (bool(one["half"]), bool(one["seconds"]) != bool(clock.second)),
    )
    if layouts and layouts[0]["half"]:
        return f"{clock:%I:%M %p}"
    if layouts:
        return f"{clock:%H:%M:%S}" if layouts[0]["seconds"] else f"{clock:%H:%M}"
    if parameter.format == "time":
        return f"{clock:%H:%M:%S}"
    if sample and sample["half"]:
        return f"{clock.hour % 12 or 12}:{clock:%M} {clock:%p}"
    if (sample and sample["clock"]) or parameter.says("24-hour", "24 hour", "24h"):
        return f"{clock:%H:%M}"
    return said
