"""What `mcpx doctor` looks at: each check says what it found, why that matters, and what to do."""

from __future__ import annotations

import ipaddress
import math
import os
import platform
import shutil
import socket
import stat
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from participants.cli.addresses import GatewayAddress
from participants.cli.errors import CommandError
from participants.cli.keys import LocalKeys, find_keys
from participants.cli.state import KEY_FILE, state_directory
from participants.cli.version_command import DISTRIBUTION, package_version
from schemas import PROTOCOL

CLOCK_LEEWAY_S: Final = 30.0
"""A gateway takes tokens that claim to be this much from the future, not more."""
ASK_WITHIN_S: Final = 3.0
_WEAK_BITS: Final = 128
_READY: Final = 200
_NOT_READY: Final = 503
_OLDEST_PYTHON: Final = (3, 11)


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing has to be done."""
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    status: Status
    what: str
    why: str = ""
    do: str = ""


def check_versions() -> Iterable[Finding]:
    """Python, this package and the MCP SDK."""
    versions = {name: package_version(name) for name in (DISTRIBUTION, "mcp", "websockets")}
    said = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    what = f"Python {platform.python_version()}, {said}, protocol {PROTOCOL}"
    missing = [name for name, version in versions.items() if version is None]
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding(
            "versions", Status.WRONG, what, "Python 3.11 is the oldest that works", "Install a newer one"
        )
    elif missing:
        yield Finding(
            "versions", Status.WRONG, what, "A package is missing", f"pip install {' '.join(missing)}"
        )
    else:
        yield Finding("versions", Status.OK, what)


def check_state_directory(env: Mapping[str, str]) -> Iterable[Finding]:
    """Whether the state directory is there, ours, and closed to others."""
    directory = state_directory(env)
    try:
        found = directory.stat()
    except FileNotFoundError:
        yield Finding("state", Status.NOTE, f"{directory} does not exist yet", "The first start makes it")
        return
    except OSError as error:
        yield Finding(
            "state", Status.WRONG, f"{directory} cannot be read", str(error), "Check MCPX_STATE_DIR"
        )
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Finding("state", Status.WRONG, f"{directory} is no directory", "", "Check MCPX_STATE_DIR")
    elif not os.access(directory, os.W_OK | os.X_OK):
        yield Finding(
            "state",
            Status.WRONG,
            f"{directory} cannot be written",
            "Key, promotions and audit are kept there",
            f"chown {os.getuid()} {directory}, or name another in MCPX_STATE_DIR",
        )
    elif found.st_mode & 0o077:
        yield Finding(
            "state",
            Status.WARNING,
            f"{directory} is open to others (mode {stat.S_IMODE(found.st_mode):04o})",
            "The audit log and promotions are nobody else's business",
            f"chmod 700 {directory}",
        )
    else:
        yield Finding("state", Status.OK, str(directory))


def check_key(env: Mapping[str, str]) -> Iterable[Finding]:
    """Whether there is a key, strong enough, and readable by its owner alone."""
    sources = [name for name in ("MCPX_JWT_SECRET", "MCPX_JWT_KEY_FILE", "MCPX_JWKS_URL") if env.get(name)]
    if len(sources) > 1:
        yield Finding(
            "key",
            Status.WRONG,
            f"{' and '.join(sources)} are set",
            "A gateway takes its keys from one place",
            "Unset all but one",
        )
        return
    try:
        keys = find_keys(env)
    except CommandError as error:
        yield Finding("key", Status.WRONG, error.what, error.why, error.do)
        return
    if keys is None:
        yield _no_key(env)
        return
    yield from _strength(keys)
    file = env.get("MCPX_JWT_KEY_FILE")
    path = Path(file).expanduser() if file else state_directory(env) / KEY_FILE
    signs = any(key.signing is not None for key in keys.ring)
    if not env.get("MCPX_JWT_SECRET") and signs and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        yield Finding(
            "key",
            Status.WRONG,
            f"{path} can be read by others (mode {mode:04o})",
            "Whoever reads it can issue tokens for anybody",
            f"chmod 600 {path}, and make a new key",
        )


def _no_key(env: Mapping[str, str]) -> Finding:
    if env.get("MCPX_JWKS_URL"):
        return Finding(
            "key", Status.OK, "The gateway fetches keys from MCPX_JWKS_URL; tokens are issued elsewhere"
        )
    return Finding("key", Status.NOTE, "There is no key yet", "The first start of the gateway makes one")


def _strength(keys: LocalKeys) -> Iterable[Finding]:
    for key in keys.ring:
        what = f"{key.algorithm} from {keys.source}" + (f" (kid {key.kid})" if key.kid else "")
        if isinstance(key.checking, bytes) and (bits := entropy_bits(key.checking)) < _WEAK_BITS:
            yield Finding(
                "key",
                Status.WRONG,
                f"{what}: {len(key.checking)} bytes, about {bits:.0f} bits of variety",
                "It looks like words or a pattern, which can be guessed from one token",
                'python -c "import secrets; print(secrets.token_hex(32))"',
            )
        else:
            yield Finding("key", Status.OK, what)


def entropy_bits(secret: bytes) -> float:
    """Estimate a secret's variety in bits from how its bytes are spread; random hex of 32 bytes has 250."""
    counts = Counter(secret).values()
    total = len(secret)
    return sum(count * math.log2(total / count) for count in counts)


def check_origins(env: Mapping[str, str]) -> Iterable[Finding]:
    """Whether the origins and hosts that are let in are spelled as browsers spell them."""
    wrong = False
    for origin in _names(env.get("MCPX_ALLOWED_ORIGINS", "")):
        parts = urlsplit(origin)
        if (
            "*" in origin
            or parts.scheme not in {"http", "https"}
            or not parts.netloc
            or parts.path
            or parts.query
        ):
            wrong = True
            yield Finding(
                "origins",
                Status.WRONG,
                f"MCPX_ALLOWED_ORIGINS holds {origin!r}",
                "An origin is scheme://host[:port], without path or wildcard",
                "For instance https://chat.example.org",
            )
        elif parts.scheme == "http" and not _is_local(parts.hostname or ""):
            wrong = True
            yield Finding(
                "origins",
                Status.WARNING,
                f"{origin} is not encrypted",
                "A page from there can be changed on its way, and so can what it approves",
                "Serve it over https",
            )
    for host in _names(env.get("MCPX_ALLOWED_HOSTS", "")):
        if "*" in host or "/" in host:
            wrong = True
            yield Finding(
                "origins", Status.WRONG, f"MCPX_ALLOWED_HOSTS holds {host!r}", "A host is a plain name"
            )
    if not wrong:
        more = _names(env.get("MCPX_ALLOWED_ORIGINS", ""))
        yield Finding("origins", Status.OK, ", ".join(["the gateway's own", *more]))


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


def check_demonstration() -> Iterable[Finding]:
    """What `mcpx run` needs."""
    if shutil.which("git") is None:
        yield Finding(
            "run",
            Status.WARNING,
            "git is not installed",
            "`mcpx run` keeps its workspace in it",
            "Install git",
        )
    elif find_spec("mcp_server_git") is None:
        yield Finding(
            "run",
            Status.WARNING,
            "mcp-server-git is not installed",
            "`mcpx run` bridges it",
            "pip install 'mcpx-gateway[demo]'",
        )
    else:
        yield Finding("run", Status.OK, "git and mcp-server-git are there")
    npx = shutil.which("npx")
    what = "npx is there" if npx else "npx is missing: `mcpx run --server filesystem` needs it"
    yield Finding("node", Status.OK if npx else Status.NOTE, what)


def _setting(link: Any, name: str) -> str | None:
    import redis

    try:
        value = link.config_get(name).get(name)
    except redis.RedisError:  # managed Redis often forbids CONFIG
        return None
    return None if value is None else str(value)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _is_local_address(address: GatewayAddress) -> bool:
    return _is_local(urlsplit(address.http_url).hostname or "")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
