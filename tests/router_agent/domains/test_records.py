"""The servers that keep something: a database, a calendar, mail; and the weather, which keeps a table."""

from __future__ import annotations

import mailbox
import sqlite3
from contextlib import closing
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar
from mcp.client import Client

from router_agent.domains.agenda import Agenda, agenda_server
from router_agent.domains.database import Database, database_server
from router_agent.domains.mail import Mail, mail_server
from router_agent.domains.weather import weather_server
from tests.router_agent.domains.asking import ask, refusal


@pytest.fixture
def database(tmp_path: Path) -> Database:
    with closing(sqlite3.connect(tmp_path / "records.db")) as made, made:
        made.executescript(
            "CREATE TABLE users (name TEXT NOT NULL, age INTEGER, active INTEGER, rank);"
            "INSERT INTO users VALUES ('Ada', 36, 1, 1), ('Bo', 9, 1, 2), ('Chen', 52, 0, 'third');"
            'CREATE TABLE "odd ""name" (x);'
        )
    return Database(tmp_path / "records.db")


def names(told: dict[str, Any]) -> list[str]:
    return [one["name"] for one in told["records"]]


async def test_tables_and_columns_are_told_and_offered_as_choices(database: Database) -> None:
    server = database_server(database)

    assert await ask(server, "list_tables") == {
        "users": ["name", "age", "active", "rank"],
        'odd "name': ["x"],
    }
    async with Client(server) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    properties = tools["query_records"].input_schema["properties"]
    assert properties["table"]["enum"] == ["users", 'odd "name']


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("", ["Ada", "Bo", "Chen"]),
        ("age > 25", ["Ada", "Chen"]),
        ("age is more than 25", ["Ada", "Chen"]),
        ("age is at most 9", ["Bo"]),
        ("age<=9", ["Bo"]),
        ("name is not Bo", ["Ada", "Chen"]),
        ("name = 'Ada'", ["Ada"]),
        ('name is "Ada"', ["Ada"]),
        ("name is ''", []),
        ("name contains A", ["Ada"]),
        ("name contains %", []),
        ("active is 1", ["Ada", "Bo"]),
        ("name is \"x' OR '1'='1\"", []),
        ("name is 'Bo and Ada'", []),
        ("name is not '7 and 8'", ["Ada", "Bo", "Chen"]),
        ("age is less than twenty", []),
        ("age is not twenty", []),
        ("age < 1e1", ["Bo"]),
        ("rank < 2", ["Ada"]),
        ("rank = 2", ["Bo"]),
    ],
)
async def test_records_are_found_by_a_condition_as_people_say_it(
    database: Database, filter: str, found: list[str]
) -> None:
    assert names(await ask(database_server(database), "query_records", table="users", filter=filter)) == found


async def test_more_records_than_were_asked_for_are_said_to_be_there(database: Database) -> None:
    told = await ask(database_server(database), "query_records", table="users", limit=2)

    assert (len(told["records"]), told["more"]) == (2, True)


async def test_records_are_inserted_updated_and_deleted(database: Database) -> None:
    server = database_server(database)
    await ask(server, "insert_record", table="users", values={"name": "Dina", "age": 28})
    changed = await ask(server, "update_records", table="users", values={"age": 29}, filter="name is Dina")
    deleted = await ask(server, "delete_records", table="users", filter="age is less than 29")

    assert "1 records" in changed
    assert "1 records" in deleted
    assert names(await ask(server, "query_records", table="users")) == ["Ada", "Chen", "Dina"]


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("query_records", {"table": "users; DROP TABLE users"}, "no table"),
        ("query_records", {"table": "sqlite_master"}, "no table"),
        ("query_records", {"table": "users", "filter": "rowid = 1"}, "has no"),
        ("insert_record", {"table": "users", "values": {"name) --": "x"}}, "has no"),
        ("insert_record", {"table": "users", "values": {"age": 1}}, "NOT NULL"),
        ("delete_records", {"table": "users", "filter": "age"}, "no condition"),
        ("delete_records", {"table": "users", "filter": ""}, "no condition"),
        ("delete_records", {"table": "users", "filter": "name isolated"}, "no condition"),
        ("delete_records", {"table": "users", "filter": "basis"}, "no condition"),
        ("delete_records", {"table": "users", "filter": "1=1; --"}, "has no"),
        ("delete_records", {"table": "users", "filter": "age < 40 and name is Bo"}, "more than one"),
        ("delete_records", {"table": "users", "filter": "name is not Bo or age > 40"}, "more than one"),
        ("delete_records", {"table": "users", "filter": "age is not more than 40"}, "more than one"),
        ("delete_records", {"table": "users", "filter": "name is not Bo, age > 40"}, "more than one"),
        ("delete_records", {"table": "users", "filter": "name is x' OR '1'='1"}, "more than one"),
        ("delete_records", {"table": "users", "filter": "name is not 'Bo' and age is '9'"}, "more than one"),
        ("delete_records", {"table": "users", "filter": "name != 'Bo' and age is '9'"}, "no condition"),
    ],
)
async def test_what_is_no_name_or_no_single_condition_reaches_no_sql(
    database: Database, tool: str, arguments: dict[str, Any], why: str
) -> None:
    server = database_server(database)

    assert why in await refusal(server, tool, **arguments)
    assert names(await ask(server, "query_records", table="users")) == ["Ada", "Bo", "Chen"]


async def test_a_query_that_takes_too_long_is_ended(database: Database, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "records.db")) as made, made:
        made.execute("CREATE TABLE slow (x)")
        made.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
            " INSERT INTO slow SELECT printf('%.*c', 400, 'x') FROM n"
        )
    server = database_server(Database(tmp_path / "records.db", within_s=0.001))

    assert "refused" in await refusal(server, "query_records", table="slow", filter="x contains y")


async def test_an_event_is_made_found_moved_and_kept_as_others_read_it(tmp_path: Path) -> None:
    path = tmp_path / "calendar.ics"
    server = agenda_server(Agenda(path))

    made = await ask(
        server, "create_event", title="Lunch; with, John", start="2026-03-05T12:00:00", duration=30
    )
    await ask(server, "create_event", start="2026-03-06T09:00", location="Room 2")
    moved = await ask(server, "update_event", event_id=made["event_id"], start="2026-03-06T13:00:00")

    assert (made["title"], made["end"]) == ("Lunch; with, John", "2026-03-05T12:30:00")
    assert (moved["start"], moved["end"], moved["title"]) == (
        "2026-03-06T13:00:00",
        "2026-03-06T13:30:00",
        "Lunch; with, John",
    )
    assert [one["title"] for one in await ask(server, "search_events", query="lunches")] == [
        "Lunch; with, John"
    ]
    assert [one["title"] for one in await ask(server, "show_calendar", day="2026-03-06")] == [
        "Meeting",
        "Lunch; with, John",
    ]
    assert await ask(server, "show_calendar", day="2026-03-05") == []
    assert {str(event["summary"]) for event in Calendar.from_ical(path.read_bytes()).walk("VEVENT")} == {
        "Meeting",
        "Lunch; with, John",
    }


FOREIGN = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//elsewhere//EN
BEGIN:VEVENT
UID:holiday
DTSTAMP:20260301T080000Z
DTSTART;VALUE=DATE:20260305
DTEND;VALUE=DATE:20260306
SUMMARY:Holiday
END:VEVENT
BEGIN:VEVENT
UID:call
DTSTAMP:20260301T080000Z
DTSTART:20260306T223000Z
DURATION:PT1H30M
SUMMARY:Call
END:VEVENT
END:VCALENDAR
"""


async def test_what_another_program_wrote_is_read_and_kept_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "calendar.ics"
    path.write_text(FOREIGN)
    server = agenda_server(Agenda(path))

    days = {
        day: [one["title"] for one in await ask(server, "show_calendar", day=f"2026-03-0{day}")]
        for day in (4, 5, 6, 7)
    }
    assert days == {4: [], 5: ["Holiday"], 6: ["Call"], 7: []}
    for event_id in ("holiday", "call"):
        await ask(server, "update_event", event_id=event_id, title="Renamed", location="Here")
    kept = path.read_text()
    for line in ("DTSTART;VALUE=DATE:20260305", "DTEND;VALUE=DATE:20260306", "DURATION:PT1H30M"):
        assert line in kept
    assert "DTSTART:20260306T223000Z" in kept

    moved = await ask(server, "update_event", event_id="call", start="2026-03-08T10:00:00")
    assert (moved["end"], moved["title"]) == ("2026-03-08T11:30:00", "Renamed")
    assert "DURATION" not in path.read_text()


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("create_event", {"start": "tomorrow"}, "no date and time"),
        ("create_event", {"start": "9999-12-31T23:30:00"}, "too far"),
        ("update_event", {"event_id": "nobody"}, "no event"),
        ("create_event", {"start": "2026-03-05T12:00:00", "duration": 0}, "duration"),
    ],
)
async def test_what_is_no_event_is_refused(
    tmp_path: Path, tool: str, arguments: dict[str, Any], why: str
) -> None:
    server = agenda_server(Agenda(tmp_path / "calendar.ics"))

    assert why in await refusal(server, tool, **arguments)


@pytest.mark.parametrize("text", ["no calendar", "BEGIN:VEVENT\nUID:alone\nEND:VEVENT\n"])
async def test_a_damaged_calendar_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calendar.ics"
    path.write_text(text)

    assert "damaged" in await refusal(
        agenda_server(Agenda(path)), "create_event", start="2026-03-05T12:00:00"
    )
    assert path.read_text() == text


async def test_mail_goes_by_smtp_into_the_maildir_and_is_read_there(tmp_path: Path) -> None:
    maildir = tmp_path / "mail"
    server = mail_server(Mail(maildir, "you@mcpx.example"))

    async with Client(server) as client:
        for number in (1, 2):
            sent = await client.call_tool(
                "send_email",
                {"to": "john@example.com", "subject": f"Lunch {number}", "body": "At noon?\n.\nBye"},
            )
            assert sent.is_error is not True, sent.content
    (first, second) = (
        await ask(server, "read_email", number=1),
        await ask(server, "read_email", number=2),
    )

    assert (first["subject"], second["subject"]) == ("Lunch 1", "Lunch 2")
    assert (first["sender"], first["to"]) == ("you@mcpx.example", "john@example.com")
    assert first["body"].split() == ["At", "noon?", ".", "Bye"]
    found = await ask(server, "search_emails", query="lunch 2")
    assert found[0]["number"] == 2
    letters = [message_from_bytes(one.as_bytes()) for one in mailbox.Maildir(maildir)]
    assert {one["X-RcptTo"] for one in letters} == {"john@example.com"}


@pytest.mark.parametrize(
    "odd",
    [
        b'Message-ID: <\nFrom: "\nTo: a@[\nSubject: odd\n\nx',
        b"Subject: odd\nContent-Type: text/plain; charset=none-such\n\nx",
        b"Subject: odd\nContent-Type: text/plain; charset*=utf-8''%00\n\nx",
    ],
)
async def test_an_odd_letter_is_found_beside_the_others(tmp_path: Path, odd: bytes) -> None:
    box = mailbox.Maildir(tmp_path / "mail", create=True)
    for letter in (odd, "From: Zoë <zoe@a.example>\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\n\nx".encode()):
        box.add(letter)
    server = mail_server(Mail(tmp_path / "mail", "you@mcpx.example", ("127.0.0.1", 1)))

    assert [one["number"] for one in await ask(server, "search_emails", query="odd")] == [1]
    assert [one["subject"] for one in await ask(server, "search_emails", query="grüße")] == ["grüße"]
    assert (await ask(server, "read_email", number=1))["subject"] == "odd"


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("john@example.com\nBcc: all@example.com", "x"),
        ("john@example.com, all@example.com", "x"),
        ("nobody", "x"),
        ("john@example.com", "x\r\nBcc: all@example.com"),
    ],
)
async def test_a_call_writes_no_header_of_its_own(tmp_path: Path, to: str, subject: str) -> None:
    maildir = tmp_path / "mail"
    server = mail_server(Mail(maildir, "you@mcpx.example"))

    await refusal(server, "send_email", to=to, subject=subject, body="x")

    assert len(mailbox.Maildir(maildir)) == 0


async def test_a_mail_server_that_is_away_is_told(tmp_path: Path) -> None:
    server = mail_server(Mail(tmp_path / "mail", "you@mcpx.example", ("127.0.0.1", 1)))

    assert "did not take it" in await refusal(server, "send_email", to="a@b.example", body="x")
    assert "no message 1" in await refusal(server, "read_email", number=1)


async def test_the_weather_says_that_it_is_a_table() -> None:
    server = weather_server()

    now = await ask(server, "check_weather", location="san francisco, CA")
    assert (now["location"], now["temperature"], now["condition"]) == ("San Francisco", 68, "sunny")
    assert "not measured" in now["source"]
    days = await ask(server, "get_forecast", location="Oslo", days=7, units="celsius")
    assert [one["day"] for one in days] == list(range(7))
    assert "San Francisco" in await refusal(server, "check_weather", location="Atlantis")
