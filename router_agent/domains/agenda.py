"""
An MCP server for one calendar, kept as an iCalendar file that any calendar program reads.

    python -m router_agent.domains.agenda --calendar calendar.ics

Times are local times without a zone, as people say them. An event that recurs counts once, at its
first time.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

from icalendar import Calendar, Event
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from typing_extensions import TypedDict

from router_agent.domains.finding import Text, best_of
from router_agent.domains.hints import ADDS, DESTROYS, READS

MOST_BYTES: Final = 1024 * 1024
MOST_LISTED: Final = 50
MOST_MINUTES: Final = 7 * 24 * 60
ONE_HOUR: Final = timedelta(hours=1)
ONE_DAY: Final = timedelta(days=1)

Title = Annotated[str, Field(description="Title of the event", max_length=200)]
Minutes = Annotated[int, Field(description="How many minutes it lasts", ge=1, le=MOST_MINUTES)]
Place = Annotated[str, Field(description="Where it is", max_length=200)]
Moment = Annotated[
    str, Field(description="Date and time (ISO 8601), such as '2026-03-05T14:00:00'", max_length=40)
]
Day = Annotated[str, Field(description="Date, such as '2026-03-05'", max_length=40)]


class Entry(TypedDict):
    """One event."""

    event_id: str
    title: str
    start: str
    end: str
    location: str


class Agenda:
    """The events of one file, which is written whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Take a calendar file; one that is not there yet is made with the first event."""
        self._path = path.resolve()
        self._lock = threading.Lock()

    def entries(self) -> list[Entry]:
        """Return all events, the earliest first."""
        return sorted((_entry(event) for event in self._read().events), key=lambda one: one["start"])

    def add(self, title: str, start: str, minutes: int, location: str) -> Entry:
        """Add an event that lasts some minutes."""
        starts = _moment(start)
        event = Event()
        event.add("uid", uuid4().hex[:8])
        event.add("dtstamp", datetime.now(UTC))
        facts = {"summary": title, "location": location}
        _set(event, facts | {"dtstart": starts, "dtend": _later(starts, timedelta(minutes=minutes))})
        with self._changing() as calendar:
            calendar.add_component(event)
        return _entry(event)

    def change(self, event_id: str, title: str, start: str, minutes: int, location: str) -> Entry:
        """
        Change what is given of an event; empty texts and 0 leave it as it is.

        Raises:
            ToolError: there is no such event, or a time is none.
        """
        with self._changing() as calendar:
            event = next((one for one in calendar.events if str(one.get("uid")) == event_id), None)
            if event is None:
                raise ToolError(f"There is no event '{event_id[:100]}'")
            facts: dict[str, str | datetime] = {"summary": title, "location": location}
            if start or minutes:
                old = _entry(event)
                begins, ends = _moment(old["start"]), _moment(old["end"])
                starts = _moment(start) if start else begins
                lasts = timedelta(minutes=minutes) if minutes else ends - begins
                facts |= {"dtstart": starts, "dtend": _later(starts, lasts)}
                event.pop("duration", None)  # it may stand in place of an end, and not beside it
            _set(event, facts)
            return _entry(event)

    def _read(self) -> Calendar:
        try:
            with self._path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
            if len(data) > MOST_BYTES:
                raise ToolError("The calendar is too large for this server")
            calendar = Calendar.from_ical(data)
        except FileNotFoundError:
            calendar = Calendar()
            calendar.add("prodid", "-//mcpx//agenda//EN")
            calendar.add("version", "2.0")
        except ValueError as error:
            raise ToolError("The calendar file is damaged") from error
        if not isinstance(calendar, Calendar):
            raise ToolError("The calendar file is damaged: it is a part of one")
        return calendar

    @contextmanager
    def _changing(self) -> Iterator[Calendar]:
        with self._lock:
            calendar = self._read()
            yield calendar
            data = calendar.to_ical()
            if len(data) > MOST_BYTES:
                raise ToolError("The calendar is full")
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(data)
            fresh.replace(self._path)


def _set(event: Event, facts: Mapping[str, str | datetime]) -> None:
    """Set what is not empty, and leave all else of the event as its owner's program wrote it."""
    for name, value in facts.items():
        if value:
            event.pop(name, None)
            event.add(name, value)


def _later(moment: datetime, lasts: timedelta) -> datetime:
    try:
        return moment + lasts
    except OverflowError:
        raise ToolError("That is too far away") from None


def _moment(said: str) -> datetime:
    try:
        return datetime.fromisoformat(said).replace(tzinfo=None)
    except ValueError:
        raise ToolError(f"'{said[:60]}' is no date and time; write 2026-03-05T14:00:00") from None


def _entry(event: Event) -> Entry:
    start, end, lasts = (event.get(name) for name in ("dtstart", "dtend", "duration"))
    begins = _plain(start.dt) if start is not None else datetime(1, 1, 1)  # noqa: DTZ001 - local times, as all here
    ends = _plain(end.dt) if end is not None else begins + (lasts.dt if lasts is not None else ONE_HOUR)
    return {
        "event_id": str(event.get("uid", "")),
        "title": str(event.get("summary", "")),
        "start": begins.isoformat(),
        "end": ends.isoformat(),
        "location": str(event.get("location", "")),
    }


def _plain(moment: date) -> datetime:
    """A day's beginning, or a time as its clock shows it."""
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=None)
    return datetime.combine(moment, time())


def agenda_server(agenda: Agenda) -> MCPServer:
    """Return the server for one calendar."""
    server = MCPServer("calendar", instructions="One calendar; times are local.")

    @server.tool(annotations=ADDS)
    def create_event(
        start: Moment,
        title: Title = "Meeting",
        duration: Minutes = 60,
        location: Place = "",
    ) -> Entry:
        """Create or schedule a meeting or event in the calendar."""
        return agenda.add(title, start, duration, location)

    @server.tool(annotations=READS)
    def search_events(
        query: Annotated[str, Field(description="What the events are about", min_length=1, max_length=400)],
    ) -> list[Entry]:
        """Search the calendar for events."""
        entries = {entry["event_id"]: entry for entry in agenda.entries()}
        texts = (Text(id, entry["title"], entry["location"]) for id, entry in entries.items())
        return [entries[one.key] for one in best_of(texts, query, MOST_LISTED)]

    @server.tool(annotations=READS)
    def show_calendar(day: Day) -> list[Entry]:
        """Show what is on the calendar on a day."""
        begins = datetime.combine(_moment(day), time())
        first, over = begins.isoformat(), _later(begins, ONE_DAY).isoformat()
        return [
            one
            for one in agenda.entries()
            # An end is the first moment after: what ends at midnight is not on the next day as well.
            if one["start"] < over and (one["end"] > first or one["start"] >= first)
        ][:MOST_LISTED]

    @server.tool(annotations=DESTROYS)
    def update_event(
        event_id: Annotated[str, Field(description="Id of the event", max_length=100)],
        title: Title = "",
        start: Moment = "",
        duration: Annotated[int, Field(description="How many minutes it lasts", ge=0, le=MOST_MINUTES)] = 0,
        location: Place = "",
    ) -> Entry:
        """Update an event in the calendar: move it or rename it."""
        return agenda.change(event_id, title, start, duration, location)

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve one iCalendar file over MCP.")
    parser.add_argument("--calendar", type=Path, required=True)
    agenda_server(Agenda(parser.parse_args().calendar)).run()
