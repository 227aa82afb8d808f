"""The whole house for one test: gateway, a real MCP server on a real folder, an agent, and browsers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from playwright.async_api import BrowserContext, Page, expect

from participants import Outcome, Participant
from tests.gateway_process import GatewayProcess
from tests.npm_servers import npm_server

SERVER = "files"
WRITE = "mcp/request:tools/call:write_file"


@dataclass
class House:
    """A topic with a bridged filesystem server in it; `agents_door` may be another node than `doors`."""

    gateway: GatewayProcess
    """Where browsers and admins knock."""
    agents_door: GatewayProcess
    folder: Path
    topic: str = field(default_factory=lambda: f"house-{uuid4().hex[:8]}")
    jti: str = field(default_factory=lambda: uuid4().hex)
    """Of the agent's token."""

    def invite(self, person: str, profile: str = "full") -> str:
        """Return a link by which a person joins."""
        token = self.gateway.token(person, topics=[self.topic], profile=profile)
        return f"{self.gateway.http_url}/#{urlencode({'topic': self.topic, 'token': token})}"

    async def open(self, context: BrowserContext, person: str, profile: str = "full") -> Page:
        """Open the page as a person, and return once it is online."""
        page = await context.new_page()
        await page.goto(self.invite(person, profile))
        await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "online")
        return page

    def agent(self) -> Participant:
        """Return the agent that may only propose, not connected yet."""
        token = self.agents_door.token("agent", topics=[self.topic], profile="proposal-only", jti=self.jti)
        return Participant.connect(self.agents_door.url, self.topic, token)

    async def admin(self, path: str, **body: Any) -> httpx.Response:
        """Post to the admin API."""
        return await self.gateway.post(path, body)

    async def promote(self, **change: Any) -> httpx.Response:
        """Change what the agent may do."""
        path = f"/admin/participants/agent/capabilities?topic={self.topic}"
        return await self.admin(path, **{"add": [], "remove": [], "reason": "a test", **change})

    @asynccontextmanager
    async def bridged(self) -> AsyncIterator[None]:
        """Run `mcpx bridge` with the filesystem server, until its participant is in the topic."""
        token = self.agents_door.token(SERVER, topics=[self.topic], profile="server")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "participants.cli", "bridge"),
            *("--url", self.agents_door.http_url, "--topic", self.topic, "--token-file", "-"),
            *("--", npm_server("mcp-server-filesystem"), str(self.folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdin is not None
        process.stdin.write(token.encode() + b"\n")
        process.stdin.close()
        try:
            await self._here(SERVER)
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def _here(self, participant: str) -> None:
        token = self.gateway.token("lookout", topics=[self.topic], capabilities=["chat"])
        async with asyncio.timeout(120), Participant.connect(self.gateway.url, self.topic, token) as lookout:
            if participant in lookout.roster:
                return
            async for _ in lookout.events():
                if participant in lookout.roster:
                    return


async def write(agent: Participant, path: Path, content: str, **options: Any) -> Outcome:
    """What the agent does, at any level of trust: have a file written."""
    params = {"name": "write_file", "arguments": {"path": str(path), "content": content}}
    return await agent.request(SERVER, "tools/call", params, **options)
