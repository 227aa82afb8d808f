"""Gateways that should not start: run to their end, and what they said."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.gateway_process import ROOT, SECRET, bare_environment

_ENDED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a process ended that refused to start."""

    status: int
    said: str
    """Standard error."""


async def refused_start(state: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Refusal:
    """
    Run `python -m gateway ARGUMENTS…` until it ends by itself.

    Raises:
        TimeoutError: it does not; it is killed.
    """
    settings = {"MCPX_JWT_SECRET": SECRET, "MCPX_STATE_DIR": str(state), **(env or {})}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        cwd=ROOT,
        env={**bare_environment(), **settings},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_ENDED_WITHIN_S):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Refusal(process.returncode, said.decode(errors="replace"))
