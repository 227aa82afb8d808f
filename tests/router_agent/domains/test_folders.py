"""The servers that work in a folder: files, pages, scripts. None of them leads outside."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from router_agent.domains.files import files_server
from router_agent.domains.folder import MOST_BYTES, Folder
from router_agent.domains.pages import PageSet, pages_server
from router_agent.domains.scripts import MOST_OUTPUT, ScriptFolder, scripts_server
from tests.router_agent.domains.asking import ask, refusal


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder in a folder, with a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "secret.py").write_text("print('secret')")
    inner = tmp_path / "inner"
    (inner / "plans").mkdir(parents=True)
    (inner / "a.txt").write_text("hello")
    (inner / "plans" / "b.txt").write_text("plan")
    (inner / ".hidden").write_text("secret")
    (inner / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inner / "link.py").symlink_to(tmp_path / "secret.py")
    (inner / "up").symlink_to(tmp_path)
    return Folder(inner)


OUTSIDE = [
    "../secret.txt",
    "/etc/passwd",
    "link.txt",
    "up/secret.txt",
    "plans/../../secret.txt",
    "a\0b",
    "x" * 5000,
]


def test_a_file_is_written_whole_or_not_at_all(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.path / "a.txt").chmod(0o640)
    with (folder.path / "a.txt").open() as reader:
        folder.write("a.txt", "changed")
        assert reader.read() == "hello"
    assert folder.read("a.txt") == "changed"
    assert (folder.path / "a.txt").stat().st_mode & 0o777 == 0o640
    before = sorted(folder.path.iterdir())

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:3])
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ToolError, match="cannot be written: No space left"):
        folder.write("a.txt", "again")

    assert folder.read("a.txt") == "changed"
    assert sorted(folder.path.iterdir()) == before


@pytest.mark.parametrize("path", [*OUTSIDE, ".hidden", "plans/../.hidden", ".git/hooks/pre-commit"])
@pytest.mark.parametrize("tool", ["read_file", "write_file", "delete_file"])
async def test_no_path_leads_outside_or_to_what_is_hidden(folder: Folder, tool: str, path: str) -> None:
    content = {"content": "changed"} if tool == "write_file" else {}

    said = await refusal(files_server(folder), tool, path=path, **content)

    assert "outside" in said or "hidden" in said
    assert (folder.path.parent / "secret.txt").read_text() == "secret"
    assert not (folder.path / ".git").exists()


async def test_files_are_listed_read_written_and_deleted(folder: Folder) -> None:
    (folder.path / ".git").mkdir()
    (folder.path / ".git" / "config").write_text("hidden")
    server = files_server(folder)

    assert await ask(server, "list_files") == {"files": ["a.txt", "plans/b.txt"], "more": 0}
    assert await ask(server, "list_files", folder_path="plans") == {"files": ["plans/b.txt"], "more": 0}
    assert await ask(server, "read_file", path="plans/b.txt") == "plan"
    await ask(server, "write_file", path="new/c.txt", content="grüße")
    assert (folder.path / "new" / "c.txt").read_text() == "grüße"
    await ask(server, "delete_file", path="a.txt")
    assert not (folder.path / "a.txt").exists()


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("big.txt", b"x" * (MOST_BYTES + 1), "more than"),
        ("odd.txt", b"\xff\xfe", "no text"),
        ("no.txt", None, "no file"),
    ],
)
async def test_what_is_no_small_text_is_not_read(
    folder: Folder, name: str, data: bytes | None, why: str
) -> None:
    if data is not None:
        (folder.path / name).write_bytes(data)

    assert why in await refusal(files_server(folder), "read_file", path=name)


async def test_what_is_no_regular_file_is_not_waited_for(folder: Folder) -> None:
    os.mkfifo(folder.path / "pipe.txt")
    server = files_server(folder)

    async with asyncio.timeout(30):
        assert "no file" in await refusal(server, "read_file", path="pipe.txt")
        assert "no file" in await refusal(server, "write_file", path="pipe.txt", content="x")
        assert "no file" in await refusal(server, "write_file", path="plans", content="x")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        Folder(tmp_path / "nowhere")


@pytest.fixture
def pages(tmp_path: Path) -> PageSet:
    host = tmp_path / "pages" / "news.example"
    host.mkdir(parents=True)
    (host / "ai.html").write_text(
        "<title>AI  news</title><style>p {}</style><h1>Models</h1>"
        "<p>They <b>shrink</b>.</p><script>x</script>"
    )
    (host / "index.html").write_text("<title>Front</title><p>Gardens, models and R&D")
    (host / "huge.html").write_bytes(b"models" * MOST_BYTES)
    (tmp_path / "pages" / "nowhere.html").write_text("models that have no address")
    return PageSet(Folder(tmp_path / "pages"))


async def test_a_page_is_read_as_a_person_would(pages: PageSet) -> None:
    page = await ask(pages_server(pages), "fetch_page", url="https://news.example/ai")

    assert page == {"url": "https://news.example/ai", "title": "AI news", "text": "Models\nThey shrink."}


async def test_the_best_page_is_found_first_by_any_form_of_a_word(pages: PageSet) -> None:
    found = await ask(pages_server(pages), "search_web", query="shrinking model")

    assert [one["url"] for one in found] == ["https://news.example/ai", "https://news.example/index"]
    assert found[1]["snippet"] == "Gardens, models and R&D"


@pytest.mark.parametrize("query", ['"', "NEAR(", "title:x OR *", "'; DROP TABLE texts"])
async def test_words_of_a_search_are_no_operators(pages: PageSet, query: str) -> None:
    assert await ask(pages_server(pages), "search_web", query=query) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/",
        "file:///etc/passwd",
        "https://news.example/../../x",
        "http://127.0.0.1/",
        "https://../secret",
    ],
)
async def test_nothing_is_fetched_from_anywhere_else(pages: PageSet, url: str) -> None:
    assert "asks no others" in await refusal(pages_server(pages), "fetch_page", url=url)


@pytest.fixture
def scripts(folder: Folder) -> ScriptFolder:
    (folder.path / "plan_hike.py").write_text(
        '"""Plan a hike outdoors."""\nimport sys\nprint("to", *sys.argv[1:])\n'
    )
    (folder.path / "bird_count.py").write_text('"""Count birds."""\nraise SystemExit(3)\n')
    (folder.path / "broken.py").write_text("def (")
    return ScriptFolder(folder)


async def test_scripts_are_found_loaded_and_run(scripts: ScriptFolder) -> None:
    server = scripts_server(scripts)

    found = await ask(server, "search_scripts", query="outdoor activity")
    assert found == [{"name": "plan_hike", "purpose": "Plan a hike outdoors."}]
    assert "import sys" in await ask(server, "load_script", script_name="plan_hike")
    ran = await ask(server, "run_script", script_name="plan_hike.py", arguments=["a b", "$(id)", "; ls"])
    assert ran == {"name": "plan_hike.py", "exit_status": 0, "output": "to a b $(id) ; ls\n"}
    assert (await ask(server, "run_script", script_name="bird_count"))["exit_status"] == 3
    assert "SyntaxError" in (await ask(server, "run_script", script_name="broken"))["output"]


@pytest.mark.parametrize(
    "name", ["../secret", "link", "up/secret", "/bin/sh", "nowhere", "plan_hike.py; ls", ""]
)
async def test_only_a_script_of_the_folder_is_run(scripts: ScriptFolder, name: str) -> None:
    said = await refusal(scripts_server(scripts), "run_script", script_name=name)

    assert "outside" in said or "no script" in said or "hidden" in said


async def test_a_script_that_does_not_end_is_ended(folder: Folder) -> None:
    (folder.path / "sleeper.py").write_text("import time; time.sleep(600)")
    server = scripts_server(ScriptFolder(folder, within_s=0.1))

    async with asyncio.timeout(30):
        assert "did not end within 0.1 s" in await refusal(server, "run_script", script_name="sleeper")


async def test_a_script_that_says_too_much_is_ended_with_what_it_started(folder: Folder) -> None:
    (folder.path / "shouter.py").write_text(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "while True: print('x' * 1000)\n"
    )
    server = scripts_server(ScriptFolder(folder, within_s=60))

    ran = await ask(server, "run_script", script_name="shouter")

    assert MOST_OUTPUT < len(ran["output"]) < MOST_OUTPUT + 100
    assert ran["exit_status"] != 0
    async with asyncio.timeout(30):  # killed it is; the kernel buries it in its own time
        while not has_ended((folder.path / "child").read_text()):  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)


def has_ended(pid: str) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):  # it may end while it is looked at
        return "Z (zombie)" in Path("/proc", pid, "status").read_text()
    return True


async def test_a_script_sees_no_secret_of_the_server(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPX_TOKEN", "a-secret")
    (folder.path / "env.py").write_text("import os; print(sorted(os.environ))")

    assert (
        "MCPX_TOKEN"
        not in (await ask(scripts_server(ScriptFolder(folder)), "run_script", script_name="env"))["output"]
    )
