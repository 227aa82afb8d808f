"""Every server as a process of its own, asked over standard input and output by the official client."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from router_agent.demo import NEEDED, RouterDemo
from router_agent.errors import DemoUnavailable

FIRST_CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "files": ("read_file", {"path": "todo.md"}, "Book the hut"),
    "git": ("git_log", {"repo_path": "notes"}, "Begin"),
    "database": ("query_records", {"table": "users", "filter": "age > 25"}, "Ada"),
    "calendar": ("search_events", {"query": "lunch"}, "By the river"),
    "mail": ("search_emails", {"query": "invoice"}, "bea@print.example"),
    "web": ("search_web", {"query": "AI news"}, "https://news.example/ai"),
    "weather": ("check_weather", {"location": "San Francisco"}, "sunny"),
    "scripts": ("search_scripts", {"query": "outdoor"}, "plan_hike"),
}


@pytest.mark.parametrize("name", FIRST_CALLS)
async def test_a_server_is_met_and_answers_from_the_sample(tmp_path: Path, name: str) -> None:
    tool, arguments, answer = FIRST_CALLS[name]
    command, *rest = RouterDemo(tmp_path).servers[name]
    parameters = StdioServerParameters(command=command, args=rest, cwd=tmp_path)

    async with asyncio.timeout(60), Client(stdio_client(parameters)) as client:
        tools = (await client.list_tools()).tools
        called = await client.call_tool(tool, arguments)

    assert called.is_error is not True, called.content
    assert answer in str(called.content)
    for one in tools:
        assert one.description, one.name
        assert one.annotations is not None, one.name
        assert one.annotations.read_only_hint is not None, one.name
        assert one.annotations.destructive_hint is not None, one.name


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NEEDED, "no_such_module", "no-such-package")

    with pytest.raises(DemoUnavailable, match=r"no-such-package missing.*router-demo"):
        RouterDemo(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_was_broken_off_is_made_good(tmp_path: Path) -> None:
    for name in ("notes.new", "pages.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("")
    (tmp_path / "records.db.new").write_text("half")

    RouterDemo(tmp_path)

    assert not list(tmp_path.glob("*.new"))
    assert not (tmp_path / "pages" / "half").exists()
    assert (tmp_path / "records.db").read_bytes().startswith(b"SQLite format 3")
    assert sorted(path.name for path in (tmp_path / "notes").iterdir()) == [
        ".git",
        "plans",
        "readme.md",
        "todo.md",
    ]


def test_a_second_start_finds_the_folder_as_it_was_left(tmp_path: Path) -> None:
    RouterDemo(tmp_path)
    (tmp_path / "notes" / "todo.md").write_text("mine")
    (tmp_path / "scripts" / "api_test.py").unlink()
    RouterDemo(tmp_path)

    assert (tmp_path / "notes" / "todo.md").read_text() == "mine"
    assert not (tmp_path / "scripts" / "api_test.py").exists()
    assert len(list((tmp_path / "mail" / "new").iterdir())) == 3
