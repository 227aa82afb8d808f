"""The command as a whole: help everywhere, commands of other rooms, exit statuses, no tracebacks."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from participants.cli import ExitCode
from participants.cli.app import build_app
from participants.cli.outcomes import explain_failure
from participants.errors import (
    Closed,
    ConnectionLost,
    HandshakeRefused,
    NotAllowed,
    ProposalExpired,
    ProposalRejected,
    Refused,
    RequestFailed,
)
from schemas import McpxError, NameRefused
from tests.participants.cli.conftest import Mcpx
from tests.redis_server import free_port

COMMANDS = (
    ("run",),
    ("join",),
    ("send",),
    ("approve",),
    ("reject",),
    ("bridge",),
    ("invite",),
    ("promote",),
    ("revoke",),
    ("token", "issue"),
    ("token", "inspect"),
    ("audit", "verify"),
    ("doctor",),
    ("version",),
)

extra = typer.Typer()


@extra.callback()
def recorder() -> None:
    """Commands of another room."""


@extra.command()
def greet() -> None:
    typer.echo("hello from another room")


def single() -> None:
    """One command of another room."""
    typer.echo("alone")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_explains_each_command_with_examples(mcpx: Mcpx, command: tuple[str, ...]) -> None:
    ran = mcpx(*command, "--help")

    assert ran.code == 0
    assert command == ("version",) or f"mcpx {' '.join(command)}" in ran.out.partition("Examples")[2]


def test_help_without_a_command_names_all_of_them(mcpx: Mcpx) -> None:
    out = mcpx("--help").out

    assert all(command[0] in out for command in COMMANDS)


def test_other_rooms_add_commands_by_entry_points() -> None:
    here = "tests.participants.cli.test_app"
    app = build_app(
        [
            EntryPoint("recorder", f"{here}:extra", "mcpx.commands"),
            EntryPoint("lonely", f"{here}:single", "mcpx.commands"),
        ]
    )

    assert "alone" in CliRunner().invoke(app, ["lonely"]).output
    assert "hello from another room" in CliRunner().invoke(app, ["recorder", "greet"]).output


def test_a_command_that_cannot_be_loaded_spoils_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    app = build_app([EntryPoint("broken", "no_such_module:app", "mcpx.commands")])

    assert CliRunner().invoke(app, ["version"]).exit_code == 0
    assert "'broken' is left out" in capsys.readouterr().err


def test_an_unknown_command_is_a_usage_error(mcpx: Mcpx) -> None:
    assert mcpx("launch").code == ExitCode.USAGE


def test_version_names_the_protocol(mcpx: Mcpx) -> None:
    assert mcpx("version", "--json").json["protocol"] == "mcpx/v0.1"
    assert mcpx("--version").out == mcpx("version").out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HandshakeRefused(401, "the token has expired"), ExitCode.REFUSED),
        (HandshakeRefused(403, "the token does not name this topic"), ExitCode.REFUSED),
        (HandshakeRefused(400, "no topic"), ExitCode.USAGE),
        (HandshakeRefused(503, "the broker is away"), ExitCode.UNREACHABLE),
        (ConnectionLost("refused"), ExitCode.UNREACHABLE),
        (Closed(4403, "Access revoked"), ExitCode.REFUSED),
        (Closed(4401, "Token expired"), ExitCode.REFUSED),
        (Closed(1011, "Internal error"), ExitCode.UNREACHABLE),
        (Closed(1006, "no close frame"), ExitCode.UNREACHABLE),
        (NotAllowed("mcp/request:tools/call", None), ExitCode.REFUSED),
        (Refused("rate_limited", "slow down", 100), ExitCode.REFUSED),
        (ProposalRejected("ann", "denied"), ExitCode.REFUSED),
        (ProposalExpired("p"), ExitCode.FAILED),
        (RequestFailed(-32602, "no such tool"), ExitCode.FAILED),
        (NameRefused("topic", "a//b", "no"), ExitCode.USAGE),
        (McpxError("something else"), ExitCode.FAILED),
    ],
)
def test_the_exit_status_says_whose_turn_it_is(error: McpxError, code: ExitCode) -> None:
    assert explain_failure(error).code == code


@pytest.mark.parametrize(
    "command", [("join", "-p", "ann"), ("send", "-p", "ann", "hello"), ("approve", "-p", "ann", "abcd")]
)
def test_a_gateway_that_is_not_there_is_exit_status_4(
    mcpx: Mcpx, secret: str, command: tuple[str, ...]
) -> None:
    ran = mcpx(*command, "--topic", "ops", "--url", f"http://127.0.0.1:{free_port()}")

    assert ran.code == ExitCode.UNREACHABLE
    assert "Do:" in ran.err
    assert "Traceback" not in ran.err


def test_without_a_token_the_ways_to_give_one_are_named(mcpx: Mcpx) -> None:
    ran = mcpx("join", "--topic", "ops")

    assert ran.code == ExitCode.USAGE
    assert "--token-file" in ran.err
    assert "MCPX_TOKEN" in ran.err


def test_the_topic_may_be_left_out_where_the_token_names_one(
    mcpx: Mcpx, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = mcpx("token", "issue", "-p", "ann", "-t", "ops/*", "--profile", "full").out.strip()
    monkeypatch.setenv("MCPX_TOKEN", several)

    ran = mcpx("send", "hello")

    assert ran.code == ExitCode.USAGE
    assert "ops/*" in ran.err


def test_a_url_may_not_hold_a_password(mcpx: Mcpx, secret: str) -> None:
    ran = mcpx("send", "-p", "ann", "-t", "ops", "--url", "http://ann:hunter2@127.0.0.1:1", "hello")

    assert ran.code == ExitCode.USAGE
    assert "hunter2" not in ran.err


def test_who_sends_a_token_in_the_clear_is_warned(mcpx: Mcpx, secret: str) -> None:
    ran = mcpx("invite", "ann", "--topic", "ops", "--url", "http://gateway.example.org")

    assert "not encrypted" in ran.err


@pytest.mark.parametrize("arguments", [("--env", "KEY=value", "--", "server"), ()])
def test_bridge_takes_names_of_variables_and_a_command(
    mcpx: Mcpx, secret: str, arguments: tuple[str, ...]
) -> None:
    ran = mcpx("bridge", "--topic", "ops", "--name", "files", *arguments)

    assert ran.code == ExitCode.USAGE
    assert "--env takes a name" in ran.err or "There is no server" in ran.err
    assert "=value" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote", "agent-a", "--reason", "x"),
        ("promote", "agent-a", "--add", "chat"),
        ("promote", "agent-a", "--add", "*", "--reason", "x"),
        ("promote", "system:gateway", "--add", "chat", "--reason", "x"),
        ("promote", "agent-a", "--add", "chat", "--reason", "x", "--topic", "a//b"),
        ("revoke", "--reason", "x"),
        ("revoke", "agent-a", "--jti", "1", "--reason", "x"),
        ("revoke", "agent-a"),
    ],
)
def test_promote_and_revoke_refuse_what_cannot_be_meant(
    mcpx: Mcpx, secret: str, arguments: tuple[str, ...]
) -> None:
    assert mcpx(*arguments).code == ExitCode.USAGE


def test_a_token_file_that_is_missing_is_told_by_name(mcpx: Mcpx, tmp_path: Path) -> None:
    ran = mcpx("send", "-t", "ops", "--token-file", str(tmp_path / "none"), "hello")

    assert ran.code == ExitCode.FAILED
    assert "none" in ran.err
