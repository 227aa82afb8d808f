"""
T2: a token leaks through a URL, a log, a referrer, an error, a metric, the audit or Redis.

One whole session: an agent proposes, a person approves in a browser, a real MCP
server does it, an admin promotes and revokes, strangers fail at every door. Then
everything that was written down anywhere is searched for every token of it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, expect
from redis import Redis

from participants import Participant, ProposalSeen
from tests.browser.house import WRITE, write
from tests.conformance.topic_under_test import TopicUnderTest, bearer_subprotocol
from tests.gateway_process import GatewayProcess, running_gateway
from tests.npm_servers import npm_server
from tests.redis_server import RedisServer

DOORS = ("/ws?topic=else", "/ws?topic=house", "/admin/topics", "/livez")


def spellings(token: str) -> Iterator[str]:
    """How a token may be written: whole, in base64url again, its secret halves."""
    _, claims, signature = token.split(".")
    yield from (token, claims, signature)
    yield base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    yield from (signature[:24], claims[8:48])


def all_of(redis: Redis) -> str:
    """Everything that stands in Redis."""
    found: list[str] = []
    for key in redis.scan_iter("*"):
        match redis.type(key):
            case b"string":
                found.append(repr(redis.get(key)))
            case b"hash":
                found.append(repr(redis.hgetall(key)))
            case b"zset":
                found.append(repr(redis.zrange(key, 0, -1)))
            case b"set":
                found.append(repr(redis.smembers(key)))
            case b"list":
                found.append(repr(redis.lrange(key, 0, -1)))
            case b"stream":
                found.append(repr(redis.xrange(key)))
            case other:
                raise AssertionError(f"what is {other!r} under {key!r}?")
        found.append(repr(key))
    return "\n".join(found)


class Session:
    """What was said and written by anybody, and every token that was in play."""

    def __init__(self, one: GatewayProcess, two: GatewayProcess, redis: RedisServer, folder: Path) -> None:
        self.one, self.two, self.redis, self.folder = one, two, redis, folder
        self.tokens: dict[str, str] = {}
        self.written: dict[str, str] = {}

    def token(self, who: str, profile: str, **claims: str) -> str:
        self.tokens[who] = self.one.token(who, topics=["house"], profile=profile, **claims)  # type: ignore[arg-type]  # jti alone
        return self.tokens[who]

    async def main_job(self, chromium: Browser) -> None:
        """Propose, see, approve, carry out; promote and revoke."""
        context = await chromium.new_context()
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(f"{request.url} {request.headers.get('referer')}"))
        page.on("websocket", lambda socket: asked.append(socket.url))
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        await page.goto(f"{self.one.http_url}/#topic=house&token={self.token('ann', 'full')}")
        await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "online")
        agent = Participant.connect(self.two.url, "house", self.token("agent", "proposal-only", jti="agents"))
        async with agent, asyncio.timeout(60):
            bridge = await self._bridge()
            async for _ in agent.events():
                if "files" in agent.roster and "ann" in agent.roster:
                    break
            call = asyncio.create_task(write(agent, self.folder / "a.txt", "x"))
            async for event in agent.events():
                if isinstance(event, ProposalSeen):
                    break
            await page.get_by_test_id("approve").click()
            await call
            await self._look_into_redis("Redis while they talk")
            await self._admin()
            async for _ in agent.events():
                pass  # until it is revoked
        self.written["page"] = await page.content() + page.url
        self.written["storage"] = await page.evaluate("JSON.stringify(localStorage) + document.cookie")
        bridge.terminate()
        output, errors = await bridge.communicate()
        await context.close()
        self.written |= {"urls": "\n".join(asked), "console": "\n".join(said)}
        self.written |= {"bridge's output": output.decode(), "bridge's errors": errors.decode()}

    async def _bridge(self) -> asyncio.subprocess.Process:
        bridge = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "participants.cli", "bridge"),
            *("--url", self.two.http_url, "--topic", "house", "--token-file", "-"),
            *("--", npm_server("mcp-server-filesystem"), str(self.folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert bridge.stdin is not None
        bridge.stdin.write(self.token("files", "server").encode() + b"\n")
        bridge.stdin.close()
        return bridge

    async def _admin(self) -> None:
        self.tokens["admin"] = self.one.admin_token("root")
        headers = {"Authorization": f"Bearer {self.tokens['admin']}"}
        async with httpx.AsyncClient(
            base_url=self.one.http_url, headers=headers, trust_env=False, timeout=30
        ) as http:
            posted = [
                await http.post(
                    "/admin/participants/agent/capabilities", json={"add": [WRITE], "reason": "r"}
                ),
                await http.post("/admin/revocations", json={"jti": "agents", "reason": "r"}),
            ]
            paths = ("participants", "participants/agent", "topics", "revocations", "audit")
            posted += [await http.get(f"/admin/{path}") for path in paths]
            assert {answer.status_code for answer in posted} == {200}
        self.written["admin's answers"] = "\n".join(answer.text + str(answer.headers) for answer in posted)

    async def strangers(self) -> None:
        """Fail at every door, with good tokens in the wrong places and bad ones in the right."""
        said: list[str] = []
        good = self.tokens["ann"]
        broken = self.tokens["broken"] = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB")
        async with httpx.AsyncClient(base_url=self.two.http_url, trust_env=False, timeout=30) as http:
            for token in (good, broken, self.tokens["agent"], self.tokens["admin"]):
                for headers in (
                    {"Authorization": f"Bearer {token}"},
                    {"Authorization": f"Basic {token}"},
                    {"Cookie": f"token={token}"},
                    {"X-Token": token, "Origin": "https://evil.example"},
                ):
                    said += [(await http.get(path, headers=headers)).text for path in (*DOORS, f"/{token}")]
                    said.append((await http.get("/ws", params={"token": token}, headers=headers)).text)
                posted = await http.post(
                    "/admin/revocations",
                    json={"participant": "nobody", "reason": f"had {token}"},
                    headers={"Authorization": f"Bearer {self.tokens['admin']}"},
                )
                said.append(posted.text)
        topic = TopicUnderTest(self.two, "house")
        for options in ({"query": f"?topic=house&token={good}"}, {"headers": {"Authorization": good}}):
            assert (await topic.refused(None, **options)).status_code == 401
        self.written["answers to strangers"] = "\n".join(said)

    async def _look_into_redis(self, when: str) -> None:
        with Redis.from_url(self.redis.url) as link:
            self.written[when] = await asyncio.to_thread(all_of, link)

    async def collect(self) -> None:
        """Everything that the gateways wrote."""
        for name, gateway in {"one": self.one, "two": self.two}.items():
            async with httpx.AsyncClient(base_url=gateway.http_url, trust_env=False, timeout=30) as http:
                self.written[f"metrics of {name}"] = (await http.get("/metrics")).text
            self.written[f"log of {name}"] = gateway.log_text()
            for file in gateway.state_dir.rglob("*"):
                if file.is_file():
                    self.written[f"{file.name} of {name}"] = file.read_text(errors="replace")
        await self._look_into_redis("Redis at the end")


@pytest.mark.browser
@pytest.mark.redis
@pytest.mark.asyncio(loop_scope="session")
async def test_no_token_of_a_whole_session_is_written_down_anywhere(
    chromium: Browser, redis_server: RedisServer, redis_prefix: str, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    env = {"MCPX_REDIS_PREFIX": redis_prefix, "MCPX_LOG_LEVEL": "debug"}
    arguments = ("--redis", redis_server.url)
    async with running_gateway(*arguments, env=env) as one, running_gateway(*arguments, env=env) as two:
        session = Session(one, two, redis_server, folder)
        await session.main_job(chromium)
        await session.strangers()
        await session.collect()

    assert (folder / "a.txt").read_text() == "x", "the session did what it was for"
    assert {"audit.jsonl of one", "Redis at the end", "log of two", "urls"} <= session.written.keys()
    found = [
        f"the token of {who} in {where}"
        for where, text in session.written.items()
        for who, token in session.tokens.items()
        if any(spelling in text for spelling in spellings(token))
    ]
    assert found == []
    # Each place has something in it, else nothing would be proved.
    assert "envelope" in session.written["log of one"] or "connection" in session.written["log of one"]
    assert "agents" in session.written["audit.jsonl of one"], "the id of a token is no secret"
    assert all(what in session.written["Redis while they talk"] for what in ("files", "a.txt"))
    assert json.dumps("house") in session.written["admin's answers"]


async def test_a_token_offered_as_a_subprotocol_is_not_echoed(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=[ops.name])
    bearer = bearer_subprotocol(token)

    async with ops.connect(None, subprotocols=["mcpx.v0.1", bearer]) as socket:
        assert socket.response is not None
        assert socket.subprotocol == "mcpx.v0.1"
        assert bearer not in str(socket.response.headers)
