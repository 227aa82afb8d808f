"""`python -m router_agent`: it enters, routes, and ends when it is told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from router_agent.calibration import calibrate
from router_agent.cases import Case, Expected
from router_agent.command import router
from router_agent.configuring import read_models
from router_agent.errors import ModelUnavailable
from tests.one_topic import OneTopic
from tests.router_agent.core.tools_at_hand import ALL, EXCHANGE, READ, WEATHER
from tests.router_agent.routed_topic import Server, call

ROOT = Path(__file__).parents[2]


async def test_the_process_routes_and_ends_with_a_signal(topic: OneTopic) -> None:
    server = Server(WEATHER)
    async with (
        asyncio.timeout(60),
        topic.joined("tools") as offering,
        topic.joined("ann") as ann,
    ):
        offering.on_request(server.answer)
        arguments = [
            "--topic",
            topic.name,
            "--url",
            topic.gateway.url,
            "--encoder",
            "none",
            "--act",
            "0",
            "--propose",
            "0",
        ]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "router_agent", *arguments),
            cwd=ROOT,
            env={**os.environ, "MCPX_TOKEN": topic.token("router")},
            stderr=PIPE,
        )
        try:
            assert process.stderr is not None
            assert b"by words and rules alone" in await process.stderr.readline()
            told = await call(ann, "route_intent", "get the current weather of Oslo")
            while not told["calls"]:  # its tools may not have been told yet
                told = await call(ann, "route_intent", "get the current weather of Oslo")
            process.send_signal(signal.SIGTERM)

            assert told["calls"][0]["tool"] == "weather.get_current"
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_without_a_token_it_says_so() -> None:
    env = {name: value for name, value in os.environ.items() if name != "MCPX_TOKEN"}
    async with asyncio.timeout(30):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "router_agent", "--topic", "ops", cwd=ROOT, env=env, stderr=PIPE
        )
        _, errors = await process.communicate()

    assert process.returncode == 2
    assert b"There is no token" in errors


async def test_what_ends_it_is_told_in_a_line(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('{"rules": [{}]}')
    async with asyncio.timeout(30):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "router_agent", "--topic", "ops", "--encoder", "none"),
            *("--rules", str(rules)),
            cwd=ROOT,
            env={**os.environ, "MCPX_TOKEN": "a.b.c"},
            stderr=PIPE,
        )
        _, errors = await process.communicate()

    assert process.returncode == 1
    assert errors.decode().startswith("Error: The rules in ")
    assert len(errors.splitlines()) == 1


def test_the_same_cases_give_the_same_gate() -> None:
    wanted = {
        "get the current weather of Oslo": Expected(WEATHER.name, {"city": ["Oslo"]}),
        "read the text file a.txt": Expected(READ.name, {"path": ["a.txt"]}),
        "convert 5 euros to dollars": Expected(EXCHANGE.name, {"amount": [5]}),
    }
    cases = [Case(intent, intent, ALL, (expected,)) for intent, expected in wanted.items()] * 4

    one, other = calibrate(cases, None, seed=3), calibrate(cases, None, seed=3)

    assert one.json() == other.json()
    assert 0 <= one.floor <= 1


def test_an_operator_is_told_which_model_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text('[models.big]\nkind = "telepathy"\n')

    with pytest.raises(ModelUnavailable, match=r"big cannot be used.*telepathy"):
        read_models(path, {})


runner = CliRunner()
COMMAND = typer.Typer()
COMMAND.command()(router)


def refused(*arguments: str, **env: str) -> str:
    """What the command says on its way out, before it connects anywhere."""
    given = {"MCPX_TOKEN": "a.b.c", "MCPX_TOPIC": "ops", "TERMINAL_WIDTH": "300", **env}
    ended = runner.invoke(COMMAND, list(arguments), env=given)
    assert ended.exit_code in {1, 2}, ended.output
    return " ".join(ended.output.replace("│", " ").split())  # a narrow terminal breaks lines within the frame


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ["--strategy", "oracle"],
            "'oracle' is not one of 'monolithic', 'hierarchical', 'experts', 'cascade'",
        ),
        (["--strategy", "cascade"], "The strategy cascade needs a model for what it is unsure of"),
        (["--strategy", "experts"], "The strategy experts needs a specialist at least"),
        (["--strategy", "monolithic", "--model", "model.gguf"], "The strategy monolithic asks no model"),
        (["--adapter", "git=git.gguf"], "cannot use adapters without the model that they are for"),
        (["--adapter", "git.gguf"], "'git.gguf' is not DOMAIN=FILE"),
        (["--adapter", "git=git.gguf", "--adapter", "git=git.gguf"], "'git' has two adapters"),
        (["--adapter", "git=none.gguf"], "There is no adapter file 'none.gguf' for 'git'"),
        (["--model", "none.gguf"], "'none.gguf' does not exist"),
        (["--model", "model.gguf"], "model.gguf cannot be used"),
        (["--encoder", "none.gguf"], "none.gguf cannot be used"),
        (["--models", "none.toml"], "'none.toml' does not exist"),
        (["--models", "model.gguf"], "model.gguf cannot be used"),
        (["--http-port", "0", "--http-host", "192.0.2.1"], "Nothing can listen on 192.0.2.1, port 0: "),
        (["--act", "2"], "less than or equal to 1"),
        (["--token-file", "none.token"], "cannot be read from none.token: No such file or directory"),
        (["--token-file", "latin.token"], "cannot be read from latin.token: it is no ASCII text"),
        (["--token-file", "empty.token"], "There is no token"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_asked(
    arguments: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model.gguf", "git.gguf"):
        (tmp_path / name).write_bytes(b"no model")
    (tmp_path / "latin.token").write_bytes(b"\xfc")
    (tmp_path / "empty.token").write_bytes(b"\n")

    assert why in refused(*arguments)


def test_settings_are_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"no model")

    assert "needs a model" in refused(MCPX_ROUTER_STRATEGY="cascade")
    assert "without the model" in refused(MCPX_ROUTER_ADAPTERS="git=a.gguf mail=b.gguf")
    assert "'b.gguf' is not DOMAIN=FILE" in refused(MCPX_ROUTER_ADAPTERS="git=a.gguf b.gguf")
    assert "a.gguf cannot be used" in refused(MCPX_ROUTER_MODEL="a.gguf")
    assert "'MCPX_ROUTER_HTTP_PORT'" in refused(MCPX_ROUTER_HTTP_PORT="web")
