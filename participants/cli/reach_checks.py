"""What `mcpx doctor` looks at beyond this process: a gateway, its port, the time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Final
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


def _is_local_address(address: GatewayAddress) -> bool:
    return is_loopback(urlsplit(address.http_url).hostname or "")
