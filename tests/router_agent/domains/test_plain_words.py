"""The router, by words and rules alone, understands what the demonstration's page says to type."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from pathlib import Path

import pytest
import pytest_asyncio
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp_server_git.server import create_server

from router_agent.core import Catalogue, Decision, Router, Tool
from router_agent.demo import fill
from router_agent.domains.agenda import Agenda, agenda_server
from router_agent.domains.database import Database, database_server
from router_agent.domains.files import files_server
from router_agent.domains.folder import Folder
from router_agent.domains.mail import Mail, mail_server
from router_agent.domains.pages import PageSet, pages_server
from router_agent.domains.scripts import ScriptFolder, scripts_server
from router_agent.domains.weather import weather_server
from router_agent.opening import open_router

PAGE = Path(__file__).parents[3] / "docs" / "how-to-see-the-router-at-work.md"
ROWS = re.findall(r"^\| `(\w+)`.* \| (.+) \|$", PAGE.read_text(), flags=re.MULTILINE)
SAID = [(domain, said) for domain, cell in ROWS for said in cell.split(" · ")]
TODAY = date(2026, 3, 4)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """All tools of the eight servers, as a topic would tell them."""
    folder = tmp_path_factory.mktemp("demo")
    await asyncio.to_thread(fill, folder)
    servers: dict[str, MCPServer] = {
        "files": files_server(Folder(folder / "notes")),
        "git": create_server(folder / "notes"),
        "database": database_server(Database(folder / "records.db")),
        "calendar": agenda_server(Agenda(folder / "calendar.ics")),
        "mail": mail_server(Mail(folder / "mail", "you@mcpx.example", ("127.0.0.1", 1))),
        "web": pages_server(PageSet(Folder(folder / "pages"))),
        "weather": weather_server(),
        "scripts": scripts_server(ScriptFolder(Folder(folder / "scripts"))),
    }
    tools: list[Tool | None] = []
    for name, server in servers.items():
        async with Client(server) as client:
            told = (await client.list_tools()).tools
        tools += [Tool.read(name, one.model_dump(mode="json", by_alias=True)) for one in told]
    return Catalogue.of(tool for tool in tools if tool is not None)


@pytest.fixture(scope="module")
def router() -> Router:
    return open_router()


def test_the_page_has_something_to_say_for_each_domain() -> None:
    assert len({domain for domain, _ in SAID}) == 8


@pytest.mark.parametrize(("domain", "said"), SAID)
def test_what_the_page_says_to_type_is_understood(
    catalogue: Catalogue, router: Router, domain: str, said: str
) -> None:
    route = router.route(said, catalogue, TODAY)

    assert route.decision in {Decision.ACT, Decision.PROPOSE}, route.reason
    (call,) = route.calls
    assert call.tool.participant == domain


def test_an_event_is_scheduled_when_people_say_it_is(catalogue: Catalogue, router: Router) -> None:
    route = router.route(
        "check the weather in San Francisco and schedule a meeting tomorrow at 2pm", catalogue, TODAY
    )

    assert [(call.tool.name, dict(call.arguments)) for call in route.calls] == [
        ("check_weather", {"location": "San Francisco"}),
        ("create_event", {"start": "2026-03-05T14:00:00"}),
    ]


def test_what_no_domain_does_is_left_alone(catalogue: Catalogue, router: Router) -> None:
    assert router.route("who painted the Mona Lisa?", catalogue, TODAY).decision is Decision.NONE
