"""`mcpx run --demo router` for tests: eight real servers and the router, in a directory of their own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from participants import Participant
from tests.participants.cli.mcpx_process import McpxProcess, mcpx_process
from tests.redis_server import free_port

SENTENCE: Final = "check the weather in San Francisco, and if it is nice, search for outdoor scripts"


@asynccontextmanager
async def router_demo(state_dir: Path) -> AsyncIterator[tuple[McpxProcess, dict[str, Any]]]:
    """Run it, and yield the process with what it says once everything runs."""
    command = ("run", "--json", "--demo", "router", "--port", str(free_port()), "--name", "ann")
    async with mcpx_process(*command, env={"MCPX_STATE_DIR": str(state_dir)}) as process:
        try:
            line = await process.read_line()
        except TimeoutError:  # ten interpreters start at once, on a machine that does other things too
            line = await process.read_line()
        yield process, json.loads(line)


def as_invited(scene: dict[str, Any]) -> Participant:
    """Who opens the invite link."""
    token = parse_qs(scene["link"].partition("#")[2])["token"][0]
    return Participant.connect(scene["url"], scene["topic"], token)
