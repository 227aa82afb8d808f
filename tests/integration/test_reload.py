"""SIGHUP: settings are read anew, all or none, and nobody is disconnected."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from capabilities import Key, issue_token
from tests.gateway_process import AUDIENCE, ISSUER, GatewayProcess, running_gateway
from tests.redis_server import RedisServer

NEW, OLD = "n" * 40, "o" * 40
CHAT = {"protocol": "mcpx/v0.1", "from": "ann", "kind": "chat", "payload": {}}


def token(secret: str, participant: str = "ann") -> str:
    return issue_token(
        Key(None, "HS256", secret.encode()),
        issuer=ISSUER,
        audience=AUDIENCE,
        subject=participant,
        topics=["*"],
        profile="full",
        ttl_s=600,
        now=time.time(),
        jti=uuid4().hex,
    )


async def status_of(gateway: GatewayProcess, secret: str, **headers: str) -> int:
    """What the door answers: 426 says that a WebSocket client would be let in."""
    async with httpx.AsyncClient(base_url=gateway.http_url, trust_env=False, timeout=30) as http:
        bearer = {"Authorization": f"Bearer {token(secret)}"}
        return (await http.get("/ws?topic=ops", headers={**bearer, **headers})).status_code


def join(gateway: GatewayProcess, secret: str) -> Any:
    return connect(
        f"{gateway.url}/ws?topic=ops",
        additional_headers={"Authorization": f"Bearer {token(secret)}"},
        proxy=None,
    )


async def is_open(socket: ClientConnection) -> bool:
    async with asyncio.timeout(30):
        await (await socket.ping())
    return True


async def reload(gateway: GatewayProcess, event: str, *, times: int = 1) -> dict[str, Any]:
    """Send SIGHUP, and return the line that tells what came of it."""
    return await _after(
        gateway, lambda: os.kill(gateway.pid, signal.SIGHUP), {event, "settings.reload_failed"}, times
    )


async def _after(
    gateway: GatewayProcess, act: Callable[[], None], events: set[str], times: int
) -> dict[str, Any]:
    def told() -> list[dict[str, Any]]:
        return [line for line in gateway.log_events() if line.get("event", "").startswith("settings.")]

    before = len(told())
    act()
    async with asyncio.timeout(30):
        while len(told()) < before + times:  # noqa: ASYNC110 - another process' log
            await asyncio.sleep(0.02)
    line = told()[-1]
    assert line["event"] in events, line
    return line


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "secrets").write_text(f"{OLD}\n")
    (tmp_path / "mcpx.env").write_text("MCPX_LOG_FORMAT=json\n")
    return {
        "MCPX_JWT_SECRET": "",
        "MCPX_JWT_SECRET_FILE": str(tmp_path / "secrets"),
        "MCPX_SETTINGS_FILE": str(tmp_path / "mcpx.env"),
        "MCPX_LOG_FORMAT": "json",
    }


async def test_a_key_is_replaced_without_anybody_noticing(tmp_path: Path, env: dict[str, str]) -> None:
    async with running_gateway(env=env) as gateway, join(gateway, OLD) as ann:
        assert await status_of(gateway, NEW) == 401

        (tmp_path / "secrets").write_text(f"{NEW}\n{OLD}\n")
        line = await reload(gateway, "settings.reloaded")
        assert list(line["changed"]) == ["jwt_secret_file"]
        assert line["token_secrets"] == 2
        assert [await status_of(gateway, secret) for secret in (NEW, OLD)] == [426, 426]

        (tmp_path / "secrets").write_text(f"{NEW}\n")
        await reload(gateway, "settings.reloaded")
        assert [await status_of(gateway, secret) for secret in (NEW, OLD)] == [426, 401]
        assert await is_open(ann)
        assert not [secret for secret in (NEW, OLD) if secret in gateway.log_text()]


async def test_origins_hosts_and_rates_are_taken_anew(tmp_path: Path, env: dict[str, str]) -> None:
    page = {"Origin": "https://chat.example.org"}
    async with running_gateway(env=env) as gateway, join(gateway, OLD) as ann:
        assert await status_of(gateway, OLD, **page) == 403
        assert await status_of(gateway, OLD, Host="mcpx.example.org") == 421

        (tmp_path / "mcpx.env").write_text(
            "MCPX_ALLOWED_ORIGINS=https://chat.example.org\nMCPX_ALLOWED_HOSTS=mcpx.example.org\n"
            "MCPX_RATE_LIMIT=1:1\nMCPX_PORT=1\nMCPX_OUTBOX_SECONDS=3\n"
        )
        line = await reload(gateway, "settings.reloaded")

        assert await status_of(gateway, OLD, **page) == 426
        assert await status_of(gateway, OLD, Host="mcpx.example.org") == 426
        assert line["changed"] == {
            "allowed_hosts": "mcpx.example.org",
            "allowed_origins": "https://chat.example.org",
            "rate_limit": "1:1",
        }
        assert line["waiting_for_restart"] == ["outbox_seconds"]  # the port stands in a flag
        # Who was there before is held to the new rate too.
        for number in range(5):
            await ann.send(json.dumps({**CHAT, "id": str(number)}))
        async with asyncio.timeout(30):
            async for frame in ann:
                if "rate_limited" in str(frame):
                    break


async def test_a_secret_that_stands_among_the_settings_waits_for_a_restart_and_is_named_each_time(
    tmp_path: Path, env: dict[str, str]
) -> None:
    (tmp_path / "mcpx.env").write_text(f"MCPX_JWT_SECRET={OLD}\n")
    async with running_gateway(env={**env, "MCPX_JWT_SECRET_FILE": ""}) as gateway:
        (tmp_path / "mcpx.env").write_text(f"MCPX_JWT_SECRET={NEW}\nMCPX_JOIN_RATE=7\n")

        lines = [await reload(gateway, "settings.reloaded") for _ in range(2)]

        assert [line["waiting_for_restart"] for line in lines] == [["jwt_secret"]] * 2
        assert [line["changed"] for line in lines] == [{"join_rate": "7:7"}, {}]
        assert [await status_of(gateway, secret) for secret in (NEW, OLD)] == [401, 426]
        assert NEW not in gateway.log_text()


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("mcpx.env", "MCPX_ALLOWED_ORIGINS=*\n", "MCPX_ALLOWED_ORIGINS"),
        ("mcpx.env", "MCPX_RATE_LIMIT=none\n", "MCPX_RATE_LIMIT"),
        ("secrets", "short\n", "at least 32 bytes"),
    ],
)
async def test_when_one_value_is_wrong_nothing_is_taken_and_one_line_says_so(
    tmp_path: Path, env: dict[str, str], file: str, content: str, why: str
) -> None:
    async with running_gateway(env=env) as gateway, join(gateway, OLD) as ann:
        (tmp_path / "secrets").write_text(f"{NEW}\n")
        (tmp_path / "mcpx.env").write_text("MCPX_ALLOWED_HOSTS=mcpx.example.org\n")
        (tmp_path / file).write_text(content)

        line = await reload(gateway, "settings.not_reloaded")

        assert why in line["why"]
        assert [await status_of(gateway, secret) for secret in (NEW, OLD)] == [401, 426]
        assert await status_of(gateway, OLD, Host="mcpx.example.org") == 421
        assert await is_open(ann)


@pytest.mark.redis
async def test_workers_take_settings_anew_each(
    tmp_path: Path, env: dict[str, str], redis_server: RedisServer, redis_prefix: str
) -> None:
    arguments = ("--workers", "2", "--redis", redis_server.url)
    async with running_gateway(*arguments, env={**env, "MCPX_REDIS_PREFIX": redis_prefix}) as gateway:
        async with join(gateway, OLD) as ann:
            (tmp_path / "secrets").write_text(f"{NEW}\n{OLD}\n")
            await reload(gateway, "settings.reloaded", times=2)

            assert {await status_of(gateway, NEW) for _ in range(10)} == {426}
            assert await is_open(ann)
        assert await gateway.terminate() == 0
