"""`mcpx doctor`: each line says what, why and what to do; something wrong is exit status 1."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.cli.checks import (
    check_bus_secret,
    check_key,
    check_origins,
    check_state_directory,
    entropy_bits,
)
from participants.cli.findings import Status
from participants.cli.keys import find_keys
from participants.cli.redis_checks import check_redis
from participants.cli.state import make_secret
from tests.gateway_process import running_gateway
from tests.participants.cli.conftest import Mcpx
from tests.participants.cli.mcpx_process import run_mcpx
from tests.redis_groups import running_cluster, running_sentinels
from tests.redis_server import RedisServer, free_port, running_redis


def report(out: str) -> dict[str, list[dict[str, Any]]]:
    """The findings by check."""
    findings: dict[str, list[dict[str, Any]]] = {}
    for line in out.splitlines():
        value = json.loads(line)
        findings.setdefault(value["check"], []).append(value)
    return findings


def test_on_a_fresh_machine_nothing_is_wrong(mcpx: Mcpx) -> None:
    ran = mcpx("doctor", "--json", "--url", f"http://127.0.0.1:{free_port()}")

    findings = report(ran.out)
    assert ran.code == 0
    assert {"versions", "state", "key", "origins", "port", "redis", "run", "node"} <= findings.keys()
    assert findings["port"][0]["status"] == "ok"


def test_a_weak_key_is_wrong_and_the_way_to_a_better_one_is_given(
    mcpx: Mcpx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPX_JWT_SECRET", "passwordpasswordpasswordpasswordpassword")

    ran = mcpx("doctor", "--url", f"http://127.0.0.1:{free_port()}")

    assert ran.code == 1
    assert "✗ key" in ran.out
    assert "token_hex" in ran.out
    assert "passwordpassword" not in ran.out + ran.err


def test_a_key_that_is_too_short_is_wrong(mcpx: Mcpx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPX_JWT_SECRET", "short")

    ran = mcpx("doctor", "--json", "--url", f"http://127.0.0.1:{free_port()}")

    assert ran.code == 1
    assert report(ran.out)["key"][0]["status"] == "wrong"


def test_a_key_of_an_earlier_start_is_no_key_where_keys_are_published_elsewhere(
    mcpx: Mcpx, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPX_JWKS_URL", "https://issuer.example.org/jwks.json")

    (found,) = check_key(os.environ)

    assert (found.status, found.what) == (
        Status.OK,
        "The gateway fetches keys from MCPX_JWKS_URL; tokens are issued elsewhere",
    )


def test_a_key_file_that_others_can_read_is_wrong(tmp_path: Path) -> None:
    make_secret(tmp_path)
    (tmp_path / "jwt.secret").chmod(0o640)

    finding = next(iter(check_key({"MCPX_STATE_DIR": str(tmp_path)})))

    assert finding.status is Status.WRONG
    assert "chmod 600" in finding.do


def test_a_state_directory_that_others_can_enter_is_worth_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    finding = next(iter(check_state_directory({"MCPX_STATE_DIR": str(tmp_path)})))

    assert (finding.status, finding.do) == (Status.WARNING, f"chmod 700 {tmp_path}")


@pytest.mark.parametrize(
    ("origins", "status"),
    [
        ("", Status.OK),
        ("https://chat.example.org", Status.OK),
        ("http://localhost:3000", Status.OK),
        ("http://chat.example.org", Status.WARNING),
        ("https://*.example.org", Status.WRONG),
        ("https://chat.example.org/path", Status.WRONG),
        ("chat.example.org", Status.WRONG),
        ("*", Status.WRONG),
    ],
)
def test_origins_are_read_as_browsers_spell_them(origins: str, status: Status) -> None:
    assert [finding.status for finding in check_origins({"MCPX_ALLOWED_ORIGINS": origins})] == [status]


@given(st.integers(min_value=32, max_value=64))
def test_a_random_secret_is_never_called_weak(size: int) -> None:
    assert entropy_bits(secrets.token_hex(size).encode()) > 128


def test_a_port_that_another_program_holds_is_wrong(mcpx: Mcpx) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        ran = mcpx("doctor", "--json", "--url", f"http://127.0.0.1:{port}")

    assert ran.code == 1
    assert report(ran.out)["port"][0]["status"] == "wrong"


def test_a_gateway_with_another_time_is_wrong(mcpx: Mcpx) -> None:
    with answering("Tue, 01 Jan 2030 00:00:00 GMT") as port:
        ran = mcpx("doctor", "--json", "--url", f"http://127.0.0.1:{port}")

    findings = report(ran.out)
    assert ran.code == 1
    assert findings["gateway"][0]["status"] == "ok"
    assert findings["clock"][0]["status"] == "wrong"


async def test_a_running_gateway_is_ready_and_agrees_about_the_time(tmp_path: Path) -> None:
    async with running_gateway() as gateway:
        ran = await run_mcpx("doctor", "--json", "--url", gateway.url, env={"MCPX_STATE_DIR": str(tmp_path)})

    findings = report(ran.out)
    assert ran.code == 0, ran.err
    assert findings["gateway"][0]["status"] == "ok"
    assert findings["clock"][0]["status"] == "ok"


@pytest.mark.redis
def test_redis_says_which_promise_holds(
    mcpx: Mcpx, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPX_REDIS_URL", redis_server.url)

    ran = mcpx("doctor", "--json", "--url", f"http://127.0.0.1:{free_port()}")

    finding = report(ran.out)["redis"][0]
    assert finding["status"] in {"ok", "note"}
    assert "lost" in finding["what"] or "1012" in finding["what"]


def test_a_redis_that_does_not_answer_is_wrong(mcpx: Mcpx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPX_REDIS_URL", f"redis://127.0.0.1:{free_port()}")

    ran = mcpx("doctor", "--json", "--url", f"http://127.0.0.1:{free_port()}")

    assert ran.code == 1
    assert report(ran.out)["redis"][0]["status"] == "wrong"


@contextmanager
def answering(date: str) -> Iterator[int]:
    """A stand-in for a gateway on a machine with another clock; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", date)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def by_status(env: dict[str, str]) -> list[tuple[Status, str]]:
    return [(finding.status, finding.what) for finding in check_redis(env)]


@pytest.mark.redis
@pytest.mark.parametrize(
    ("options", "status", "word"),
    [
        (("--appendonly", "yes", "--appendfsync", "always"), Status.OK, "nothing accepted is lost"),
        (("--appendonly", "yes", "--appendfsync", "everysec"), Status.NOTE, "1012"),
        (("--maxmemory-policy", "allkeys-lru"), Status.WRONG, "allkeys-lru"),
        (("--replicaof", "127.0.0.1", "1"), Status.WRONG, "is a replica"),
    ],
)
def test_each_setting_of_redis_is_held_against_the_promise(
    tmp_path: Path, options: tuple[str, ...], status: Status, word: str
) -> None:
    with running_redis(tmp_path, options=options) as server:
        last = by_status({"MCPX_REDIS_URL": server.url})[-1]

    assert last[0] is status
    assert word in last[1]


@pytest.mark.redis
def test_a_wrong_password_is_wrong_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("falsch\n")
    with running_redis(tmp_path, options=("--requirepass", "geheim")) as server:
        env = {"MCPX_REDIS_URL": server.url, "MCPX_REDIS_PASSWORD_FILE": str(tmp_path / "password")}
        (wrong,) = check_redis(env)
        (tmp_path / "password").write_text("geheim\n")
        (right,) = check_redis(env)

    assert (wrong.status, right.status) == (Status.WRONG, Status.NOTE)
    assert "falsch" not in str(wrong)


@pytest.mark.redis
@pytest.mark.slow
def test_the_master_is_found_through_its_sentinels_and_the_others_of_a_cluster(tmp_path: Path) -> None:
    with running_sentinels(tmp_path) as sentinels:
        found = by_status({"MCPX_REDIS_URL": sentinels.url})
        few = by_status({"MCPX_REDIS_URL": f"redis+sentinel://127.0.0.1:{sentinels.ports[0]}/ours"})
        none = by_status({"MCPX_REDIS_URL": sentinels.url.replace("/ours", "/theirs")})
    with running_cluster(tmp_path) as cluster:
        shards = by_status({"MCPX_REDIS_URL": cluster.url})

    assert [status for status, _ in found] == [Status.NOTE]
    assert "failover" in found[0][1]
    assert [status for status, _ in few] == [Status.WARNING, Status.NOTE]
    assert [status for status, _ in none] == [Status.WRONG]
    assert len(shards) == 3
    assert all("failover" in what for _, what in shards)


def test_nodes_that_could_not_sign_are_wrong() -> None:
    env = {"MCPX_REDIS_URL": "redis://r", "MCPX_JWKS_URL": "https://issuer.example/jwks"}

    assert [finding.status for finding in check_bus_secret(env)] == [Status.WRONG]
    assert [finding.status for finding in check_bus_secret({**env, "MCPX_BUS_SECRET": "x" * 40})] == [
        Status.WRONG
    ]
    assert not list(check_bus_secret({**env, "MCPX_BUS_SECRET": secrets.token_hex(32)}))


def test_what_the_settings_file_says_is_checked_too(
    mcpx: Mcpx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "mcpx.env"
    file.write_text("# ours\nMCPX_ALLOWED_ORIGINS=*\nMCPX_JWT_SECRET=passwordpasswordpasswordpassword\n")
    file.chmod(0o644)
    monkeypatch.setenv("MCPX_SETTINGS_FILE", str(file))

    findings = report(mcpx("doctor", "--json", "--url", f"http://127.0.0.1:{free_port()}").out)

    assert [each["status"] for each in findings["settings"]] == ["ok", "warning"]
    assert findings["origins"][0]["status"] == "wrong"
    assert findings["key"][0]["status"] == "wrong"


def test_tokens_are_signed_with_the_first_line_of_the_secret_file(tmp_path: Path) -> None:
    first, second = secrets.token_hex(32), secrets.token_hex(32)
    (tmp_path / "secrets").write_text(f"{first}\n{second}\n")
    keys = find_keys({"MCPX_JWT_SECRET_FILE": str(tmp_path / "secrets")})

    assert keys is not None
    assert [key.checking for key in keys.ring] == [first.encode()]
