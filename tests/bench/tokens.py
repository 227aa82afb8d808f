"""An identity and a token of its own for every connection of a case."""

from __future__ import annotations

import os
import secrets
import time
from functools import cache
from pathlib import Path
from typing import Final

from capabilities import Key, issue_token
from tests.bench import workshop

SECRET: Final = secrets.token_hex(32)
"""Of the gateways that this run starts."""

SUBSCRIBERS: Final = 10_000
PUBLISHERS: Final = 64

CAPABILITIES: Final = (
    "mcp/request:*/list",
    "mcp/request:tools/call:*",
    "mcp/response:*",
    "mcp/proposal:*",
    "chat",
)
"""What a participant of a case holds; the kind of its envelopes is granted by the second pattern."""


@cache
def token_file() -> Path:
    """
    Write `NAME TOKEN` lines for everybody that the load generator plays: p0, p1, … and s0, s1, ….

    One file for this process; the tokens outlive every case.
    """
    path = workshop.CACHE / f"tokens-{os.getpid()}"
    names = [f"p{number}" for number in range(PUBLISHERS)] + [f"s{number}" for number in range(SUBSCRIBERS)]
    key = Key(None, "HS256", SECRET.encode())
    now = time.time()
    lines = "".join(f"{name} {_token(key, name, now)}\n" for name in names)
    workshop.CACHE.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(lines)
    return path


def forget() -> None:
    """Remove the file, if it was written."""
    if token_file.cache_info().currsize:
        token_file().unlink(missing_ok=True)
        token_file.cache_clear()


def _token(key: Key, name: str, now: float) -> str:
    return issue_token(
        key,
        issuer="mcpx",
        audience="mcpx-gateway",
        subject=name,
        topics=("bench*",),
        capabilities=CAPABILITIES,
        ttl_s=43_200,
        now=now,
        jti=f"bench-{name}",
    )
