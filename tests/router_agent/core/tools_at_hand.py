"""Tools that tests route to: small, and of several participants."""

from __future__ import annotations

from typing import Any

from router_agent.core.gate import Gate, Logistic
from router_agent.core.planning import Monolithic
from router_agent.core.router import Policy, Router
from router_agent.core.tools import Catalogue, Tool

STRING: dict[str, Any] = {"type": "string"}


def tool(
    name: str,
    description: str = "",
    properties: dict[str, Any] | None = None,
    required: list[str] | None = None,
    participant: str = "server",
    **hints: bool,
) -> Tool:
    read = Tool.read(
        participant,
        {
            "name": name,
            "description": description,
            "inputSchema": {"type": "object", "properties": properties or {}, "required": required or []},
            "annotations": hints,
        },
    )
    assert read is not None
    return read


WEATHER = tool(
    "weather.get_current",
    "Get the current weather of a city.",
    {
        "city": {"type": "string", "description": "The city, such as 'Paris'"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
    },
    ["city"],
    participant="weather",
    readOnlyHint=True,
)
MEETING = tool(
    "create_event",
    "Create a calendar event such as a meeting.",
    {
        "title": {"type": "string", "description": "The title of the event"},
        "date": {"type": "string", "format": "date", "description": "The day of the event"},
        "time": {"type": "string", "description": "When it starts, as HH:MM"},
        "minutes": {"type": "integer", "description": "Its duration in minutes", "default": 30},
    },
    ["title", "date"],
    participant="calendar",
)
DELETE = tool(
    "delete_file",
    "Delete a file for good.",
    {"path": {"type": "string", "description": "Path of the file to delete"}},
    ["path"],
    participant="files",
    destructiveHint=True,
)
READ = tool(
    "read_file",
    "Read a text file.",
    {"path": {"type": "string", "description": "Path of the file to read"}},
    ["path"],
    participant="files",
    readOnlyHint=True,
)
EXCHANGE = tool(
    "convert_currency",
    "Convert an amount of money from one currency to another.",
    {
        "amount": {"type": "number", "description": "How much"},
        "from_currency": {"type": "string", "description": "ISO code of the currency to convert from"},
        "to_currency": {"type": "string", "description": "ISO code of the currency to convert to"},
    },
    ["amount", "from_currency", "to_currency"],
    participant="bank",
)
ALL = Catalogue.of([WEATHER, MEETING, DELETE, READ, EXCHANGE])

# A gate with round numbers, so that a test says what it rests on.
GATE = Gate(
    wanted=Logistic({"words": 6.0, "margin": 2.0}, -2.0),
    right=Logistic({"words": 4.0, "weakest": 4.0}, -3.0),
    floor=0.5,
)


def router(policy: Policy | None = None) -> Router:
    return Router(Monolithic(GATE), GATE.floor, policy or Policy(act=0.5, propose=0.2))
