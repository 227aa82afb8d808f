"""T1: a page from elsewhere uses the browser of somebody who has a token (CWE-1385), or rebinds a name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
import pytest
from playwright.async_api import Browser

from tests.conformance.topic_under_test import TopicUnderTest, bearer_subprotocol
from tests.gateway_process import GatewayProcess

CONNECT: Final = """([url, protocols]) => new Promise(done => {
    const socket = new WebSocket(url, protocols);
    socket.onopen = () => done("open");
    socket.onclose = event => done(`closed ${event.code}`);
})"""
FETCH: Final = """([url, token]) => fetch(url, {headers: {Authorization: `Bearer ${token}`}}).then(
    answer => answer.text(), failure => `failed: ${failure.message}`)"""


@asynccontextmanager
async def page_elsewhere() -> AsyncIterator[str]:
    """A web server of somebody else's, on another port; give its origin."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\nConnection: close\r\n\r\n."
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_of_a_second_origin_cannot_connect_with_a_good_token_and_the_own_page_can(
    chromium: Browser, gateway: GatewayProcess
) -> None:
    token = gateway.token("ann", topics=["ops"])
    knock = [f"{gateway.url}/ws?topic=ops", ["mcpx.v0.1", bearer_subprotocol(token)]]
    context = await chromium.new_context()
    await context.add_cookies([{"name": "token", "value": token, "url": gateway.http_url}])
    page = await context.new_page()

    async with page_elsewhere() as origin:
        await page.goto(origin)
        from_elsewhere = await page.evaluate(CONNECT, knock)
        by_cookie = await page.evaluate(CONNECT, [knock[0], ["mcpx.v0.1"]])
        read = await page.evaluate(FETCH, [f"{gateway.http_url}/admin/topics", gateway.admin_token()])
    # A page cannot be inlined into a policy-bound one, so the same code runs on an asset of the gateway's.
    await page.goto(f"{gateway.http_url}/livez")
    from_home = await page.evaluate(CONNECT, knock)
    by_cookie_at_home = await page.evaluate(CONNECT, [knock[0], ["mcpx.v0.1"]])
    await context.close()

    assert (from_elsewhere, by_cookie) == ("closed 1006", "closed 1006")
    assert read.startswith("failed: "), "another origin's page reads no answer"
    assert (from_home, by_cookie_at_home) == ("open", "closed 1006"), "and no cookie is a token"
    refused = [e["reason"] for e in gateway.log_events() if e["event"] == "handshake.refused"]
    assert "origin_refused" in refused


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1:1", "file://", ""])
async def test_an_origin_that_is_not_on_the_list_is_refused_whatever_the_token(
    ops: TopicUnderTest, origin: str
) -> None:
    token = ops.gateway.token("ann", topics=[ops.name])

    assert (await ops.refused(token, headers={"Origin": origin})).status_code == 403


async def test_without_an_origin_a_bearer_token_is_needed_all_the_same(ops: TopicUnderTest) -> None:
    cookie = {"Cookie": f"token={ops.gateway.token('ann')}"}

    assert (await ops.refused(None, headers=cookie)).status_code == 401


async def test_a_name_rebound_to_this_address_is_answered_nowhere(gateway: GatewayProcess) -> None:
    async with httpx.AsyncClient(base_url=gateway.http_url, trust_env=False, timeout=30) as http:
        for path in ("/", "/ws?topic=ops", "/admin/topics", "/metrics", "/openapi.json"):
            answer = await http.get(path, headers={"Host": "rebound.example"})
            assert (answer.status_code, answer.json()["code"]) == (421, "host_refused"), path
