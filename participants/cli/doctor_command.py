"""`mcpx doctor`: find out what is wrong before it hurts."""

from __future__ import annotations

import os
from typing import Final

import typer

from participants.cli.access import JsonOption, UrlOption
from participants.cli.addresses import DEFAULT_URL, GatewayAddress
from participants.cli.console import put, put_json, say
from participants.cli.errors import ExitCode

_MARKS: Final = {"ok": "✓", "note": "·", "warning": "!", "wrong": "✗"}


def doctor(
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """
    Check versions, state directory, key, origins, gateway, clock, Redis, and what `mcpx run` needs.

    Each line says what was found, why that matters, and what to do. Exit status 1: something is wrong.

    [bold]Examples[/bold]

      mcpx doctor
      MCPX_REDIS_URL=redis://127.0.0.1:6379 mcpx doctor --url https://gateway.example.org
    """
    from participants.cli import checks, reach_checks
    from participants.cli.findings import Status
    from participants.cli.gateway_settings import gateway_settings
    from participants.cli.redis_checks import check_redis

    address = GatewayAddress.parse(url)
    env, of_settings = gateway_settings(os.environ)
    findings = [
        *checks.check_versions(),
        *of_settings,
        *checks.check_state_directory(env),
        *checks.check_key(env),
        *checks.check_bus_secret(env),
        *checks.check_origins(env),
        *reach_checks.check_gateway(address),
        *check_redis(env),
        *checks.check_demonstration(),
    ]
    if as_json:
        for finding in findings:
            put_json(
                {
                    "check": finding.check,
                    "status": finding.status,
                    "what": finding.what,
                    "why": finding.why,
                    "do": finding.do,
                }
            )
    else:
        for finding in findings:
            put(f"{_MARKS[finding.status]} {finding.check:<9} {finding.what}")
            if finding.why:
                put(f"  {'':<9} why: {finding.why}")
            if finding.do:
                put(f"  {'':<9} do:  {finding.do}")
    wrong = sum(finding.status is Status.WRONG for finding in findings)
    if wrong:
        say((f"{wrong} thing(s) to put right.", "bold red"))
        raise typer.Exit(ExitCode.FAILED)
