"""What `mcpx doctor` looks at beyond this process: a gateway, the time, Redis."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from participants.cli.addresses import GatewayAddress, is_loopback
from participants.cli.findings import Finding, Status

CLOCK_LEEWAY_S: Final = 30.0
"""A gateway takes tokens that claim to be this much from the future, not more."""
ASK_WITHIN_S: Final = 3.0
_READY: Final = 200
_NOT_READY: Final = 503


def check_gateway(address: GatewayAddress) -> Iterable[Finding]:
    """Whether a gateway answers there, is ready, and agrees about the time; else whether its port is free."""
    try:
        with httpx.Client(timeout=ASK_WITHIN_S, trust_env=not _is_local_address(address)) as http:
            before = time.time()
            answer = http.get(f"{address.http_url}/readyz")
            now = (before + time.time()) / 2
    except httpx.HTTPError:
        yield from _nobody_answers(address)
        return
    if answer.status_code == _READY:
        yield Finding("gateway", Status.OK, f"{address.http_url} answers and is ready")
    elif answer.status_code == _NOT_READY:
        yield Finding(
            "gateway",
            Status.WRONG,
            f"{address.http_url} is not ready",
            answer.text[:300].strip(),
            "See the gateway's log; with --redis, see the line about Redis",
        )
    else:
        yield Finding(
            "gateway",
            Status.WRONG,
            f"{address.http_url} answers {answer.status_code} to /readyz",
            "That is another program",
            "Check --url, or choose another port with MCPX_PORT",
        )
    yield from _compare_clocks(answer.headers.get("date"), now)


def _nobody_answers(address: GatewayAddress) -> Iterable[Finding]:
    if not _is_local_address(address):
        yield Finding(
            "gateway", Status.WRONG, f"{address.http_url} does not answer", "", "Check --url and the network"
        )
        return
    port = urlsplit(address.http_url).port or (443 if address.scheme == "https" else 80)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            yield Finding(
                "port",
                Status.WRONG,
                f"Port {port} cannot be used: {error.strerror}",
                "Another program holds it and is no gateway",
                "Choose another one: MCPX_PORT, or --port",
            )
        else:
            yield Finding("port", Status.OK, f"{port} is free; no gateway runs there now")


def _compare_clocks(date: str | None, now: float) -> Iterable[Finding]:
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return
    # The header has whole seconds.
    apart = max(0.0, abs(now - theirs - 0.5) - 0.5)
    if apart > CLOCK_LEEWAY_S:
        yield Finding(
            "clock",
            Status.WRONG,
            f"This machine and the gateway are {apart:.0f} s apart",
            f"Tokens from the future are refused from {CLOCK_LEEWAY_S:.0f} s on, and expire early or late",
            "Synchronise both with NTP",
        )
    else:
        yield Finding("clock", Status.OK, "agrees with the gateway's")


def check_redis(env: Mapping[str, str]) -> Iterable[Finding]:
    """Whether Redis is there, new enough, and which promise its settings allow."""
    url = env.get("MCPX_REDIS_URL")
    if not url:
        yield Finding(
            "redis", Status.NOTE, "MCPX_REDIS_URL is not set", "One node with its memory is enough to begin"
        )
        return
    import redis

    client: Any = redis.Redis  # its keyword arguments are untyped
    try:
        with client.from_url(url, socket_timeout=ASK_WITHIN_S, socket_connect_timeout=ASK_WITHIN_S) as link:
            version = str(link.info("server").get("redis_version", "0"))
            seconds, micros = link.time()
            now = time.time()
            settings = {
                name: _setting(link, name) for name in ("appendonly", "appendfsync", "maxmemory-policy")
            }
    except (redis.RedisError, ValueError, OSError) as error:
        yield Finding(
            "redis",
            Status.WRONG,
            f"Redis does not answer: {type(error).__name__}",
            str(error)[:300],
            "Check MCPX_REDIS_URL, its password, and that Redis runs",
        )
        return
    yield from _judge_redis(version, settings)
    if (apart := abs(now - seconds - micros / 1e6)) > CLOCK_LEEWAY_S:
        yield Finding(
            "clock", Status.WRONG, f"Redis' clock is {apart:.0f} s away", "", "Synchronise both with NTP"
        )


def _judge_redis(version: str, settings: Mapping[str, str | None]) -> Iterable[Finding]:
    if int(version.split(".", maxsplit=1)[0]) < 7:
        yield Finding(
            "redis", Status.WRONG, f"Redis {version}", "Sharded channels came with 7.0", "Update Redis"
        )
        return
    if settings["appendonly"] == "yes" and settings["appendfsync"] == "always":
        yield Finding(
            "redis", Status.OK, f"Redis {version}; nothing accepted is lost, even when it is killed"
        )
    elif settings["appendonly"] is None:
        yield Finding(
            "redis", Status.NOTE, f"Redis {version}; its settings cannot be read (CONFIG is not allowed)"
        )
    else:
        yield Finding(
            "redis",
            Status.NOTE,
            f"Redis {version}; a loss is told (1012), never silent",
            "It does not write each change to disk before it answers",
            "appendonly yes, appendfsync always",
        )
    policy = settings["maxmemory-policy"]
    if policy not in {None, "noeviction"}:
        yield Finding(
            "redis",
            Status.WRONG,
            f"maxmemory-policy is {policy}",
            "Redis may forget promotions and revocations",
            "maxmemory-policy noeviction",
        )


def _setting(link: Any, name: str) -> str | None:
    import redis

    try:
        value = link.config_get(name).get(name)
    except redis.RedisError:  # managed Redis often forbids CONFIG
        return None
    return None if value is None else str(value)


def _is_local_address(address: GatewayAddress) -> bool:
    return is_loopback(urlsplit(address.http_url).hostname or "")
