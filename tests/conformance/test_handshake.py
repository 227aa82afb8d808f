"""Who may come in (MCPx 5.1, 6.2; docs/protocol.md, Identity)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket as sockets
import time
from typing import Any

import httpx
import pytest

from tests.conformance.topic_under_test import Seat, TopicUnderTest, bearer_subprotocol
from tests.gateway_process import running_gateway
from tests.redis_server import RedisServer
from tests.requirements import spec


async def answer(
    ops: TopicUnderTest, token: str | None, **options: Any
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The gateway's answer to a handshake that it refuses: status, problem, headers."""
    response = await ops.refused(token, **options)
    assert response.headers["Content-Type"] == "application/problem+json"
    return (
        response.status_code,
        json.loads(response.body or b"{}"),
        {name.lower(): value for name, value in response.headers.raw_items()},
    )


@spec("mcpx identity handshake 401")
@pytest.mark.parametrize("token", [None, "x", "a.b.c"])
async def test_no_token_or_a_bad_one_is_401(ops: TopicUnderTest, token: str | None) -> None:
    status, problem, headers = await answer(ops, token)

    assert (status, problem["status"]) == (401, 401)
    assert headers["www-authenticate"].startswith("Bearer")


@spec("mcpx identity handshake 401", "mcpx identity bearer header")
async def test_two_tokens_are_none(ops: TopicUnderTest) -> None:
    tokens = [ops.gateway.token(id, topics=[ops.name]) for id in ("ann", "eve")]
    headers = [("Authorization", f"Bearer {token}") for token in tokens]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        refused = await http.get(f"{ops.gateway.http_url}/ws?topic={ops.name}", headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (401, "token_missing")


@spec("mcpx identity handshake 401", "mcpx identity admin typ")
async def test_expired_foreign_and_admin_tokens_are_401(ops: TopicUnderTest) -> None:
    gateway = ops.gateway
    long_ago = time.time() - 7200
    for token in (
        gateway.token("ann", ttl_s=60, issued_at=long_ago),
        gateway.admin_token(),
        gateway.token("ann")[:-2],
    ):
        assert (await answer(ops, token))[0] == 401


@spec("mcpx identity handshake 403")
async def test_a_topic_that_the_token_does_not_name_is_403_known_or_not(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=["elsewhere"])

    known = await answer(ops, token)
    unknown = await answer(ops, token, query="?topic=nobody-was-ever-here")

    assert known[0] == unknown[0] == 403
    assert known[1] == unknown[1]


@spec("mcpx identity token topics")
async def test_a_prefix_in_the_token_opens_what_begins_with_it(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=["team/*"], capabilities=["chat"])

    async with ops.connect(token, query="?topic=team/a") as socket:
        assert json.loads(await socket.recv())["kind"] == "system/welcome"
    assert (await answer(ops, token, query="?topic=teams"))[0] == 403


@spec("mcpx identity handshake 400")
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?topic=",
        "?topic=a%20b",
        "?topic=../x",
        "?topic=a&topic=b",
        "?topic=a&mode=loud",
        "?topic=a&mode=",
        "?mode=all",
        "?topic=a&mod=directed",
        "?topic=a&topic",
    ],
)
async def test_a_missing_or_bad_topic_or_mode_is_400(ops: TopicUnderTest, query: str) -> None:
    status, problem, _ = await answer(ops, ops.gateway.token("ann"), query=query)

    assert status == 400
    assert problem["detail"]


@spec("mcpx identity topic segment")
async def test_a_topic_with_slashes_and_colons_travels_percent_encoded(ops: TopicUnderTest) -> None:
    async with ops.connect(ops.gateway.token("ann"), query="?topic=team%2Fa%3Ab%40c") as socket:
        assert json.loads(await socket.recv())["kind"] == "system/welcome"


@spec("mcpx identity plain GET")
async def test_a_plain_get_gets_the_same_answers_and_426_when_all_is_well(ops: TopicUnderTest) -> None:
    good = {"Authorization": f"Bearer {ops.gateway.token('ann', topics=[ops.name])}"}
    elsewhere = {"Authorization": f"Bearer {ops.gateway.token('ann', topics=['x'])}"}
    url = f"{ops.gateway.http_url}/ws"
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        answers = [
            await http.get(f"{url}?topic={ops.name}"),
            await http.get(url, headers=good),
            await http.get(f"{url}?topic={ops.name}", headers=elsewhere),
            await http.get(f"{url}?topic={ops.name}", headers=good),
        ]

    assert [one.status_code for one in answers] == [401, 400, 403, 426]
    assert {one.headers["content-type"] for one in answers} == {"application/problem+json"}


@spec("mcpx identity bearer header", "MCPx 8.1 token to participant")
async def test_the_token_decides_who_one_is(ops: TopicUnderTest) -> None:
    async with ops.join("robot-alpha", "chat") as robot:
        assert robot.welcome["payload"]["you"]["id"] == "robot-alpha"


@spec("mcpx identity never in a URL")
async def test_a_token_in_the_query_is_no_token(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann")

    assert (await answer(ops, None, query=f"?topic={ops.name}&token={token}&access_token={token}"))[0] == 401


@spec("mcpx identity browser subprotocol")
async def test_a_browser_brings_its_token_as_a_subprotocol_that_is_not_echoed(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=[ops.name])

    async with ops.connect(None, subprotocols=["mcpx.v0.1", bearer_subprotocol(token)]) as socket:
        assert socket.subprotocol == "mcpx.v0.1"
        assert (await Seat(ops, "ann", socket, {}).next())["payload"]["you"]["id"] == "ann"


@pytest.mark.parametrize(
    "offered", ["base64url.bearer.mcpx.", "base64url.bearer.mcpx.!!!", "base64url.bearer.mcpx.AAAA"]
)
async def test_a_subprotocol_that_holds_no_token_is_401(ops: TopicUnderTest, offered: str) -> None:
    if offered.endswith("!"):
        offered = offered.replace("!", "~")  # a token character (RFC 9110), and none of base64url
    assert (await answer(ops, None, subprotocols=["mcpx.v0.1", offered]))[0] == 401


@spec("mcpx identity origins")
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "",
    ],
)
async def test_a_page_of_another_origin_is_403_before_the_upgrade(ops: TopicUnderTest, origin: str) -> None:
    token = ops.gateway.token("ann", topics=[ops.name])

    status, problem, _ = await answer(ops, token, headers={"Origin": origin.format(port=ops.gateway.port)})

    assert (status, problem["code"]) == (403, "origin_refused")


@spec("mcpx identity origins")
async def test_the_gateway_s_own_page_may_connect(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=[ops.name])

    async with ops.connect(token, headers={"Origin": ops.gateway.http_url}) as socket:
        assert await socket.recv()


@spec("mcpx identity hosts")
async def test_another_host_name_is_not_answered(ops: TopicUnderTest) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        for path in ("/", "/ws?topic=a", "/livez", "/admin/topics"):
            answer = await http.get(f"{ops.gateway.http_url}{path}", headers={"Host": "rebound.example"})
            assert answer.status_code == 421


@spec("mcpx identity origins", "mcpx identity hosts")
async def test_configured_hosts_and_origins_are_let_in() -> None:
    env = {"MCPX_ALLOWED_HOSTS": "chat.example", "MCPX_ALLOWED_ORIGINS": "https://app.example:8443"}
    async with running_gateway(env=env) as gateway:
        ops = TopicUnderTest(gateway)
        token = gateway.token("ann", topics=[ops.name])
        elsewhere: dict[str, Any] = {"base": "ws://chat.example", "host": "127.0.0.1", "port": gateway.port}
        for origin in ("https://app.example:8443", "http://chat.example"):
            async with ops.connect(token, headers={"Origin": origin}, **elsewhere) as socket:
                assert await socket.recv()
        assert (await answer(ops, token, headers={"Origin": "https://app.example"}))[0] == 403


@spec("mcpx identity expiry closes")
async def test_at_its_expiry_a_token_s_connection_is_closed_with_4401(ops: TopicUnderTest) -> None:
    async with ops.join("ann", "chat", ttl_s=4) as ann, ops.join("bob") as bob:
        await bob.heard()
        assert await ann.close_code() == 4401
        assert (await bob.next())["payload"] == {"event": "leave", "participant": {"id": "ann"}}


@spec("mcpx identity never in a log")
async def test_no_token_stands_in_a_log_or_an_answer(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("planted", topics=["elsewhere"])
    _, problem, headers = await answer(ops, token)
    await answer(ops, token[:-3])
    await answer(ops, None, subprotocols=["mcpx.v0.1", bearer_subprotocol(token)])
    await answer(ops, None, query=f"?topic={ops.name}&token={token}")

    for part in (token, token.split(".")[1], token.split(".")[2], bearer_subprotocol(token)):
        assert part not in ops.gateway.log_text() + json.dumps(problem) + json.dumps(headers)


@spec("mcpx refusals handshake timeout")
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_handshake_that_does_not_finish_is_a_closed_connection(
    redis_server: RedisServer, workers: str
) -> None:
    arguments = ("--workers", workers, "--redis", redis_server.url)
    async with running_gateway(*arguments, env={"MCPX_HANDSHAKE_TIMEOUT_S": "0.5"}) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET /ws?topic=a HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionResetError):  # closed all the same
                assert await reader.read() == b""
        writer.close()


@spec("mcpx refusals close 4408")
async def test_who_answers_no_ping_is_closed_with_4408() -> None:
    env = {"MCPX_PING_INTERVAL_S": "0.2", "MCPX_PING_TIMEOUT_S": "0.3"}
    async with running_gateway(env=env) as gateway:
        topic = TopicUnderTest(gateway)
        token = gateway.token("dead", topics=[topic.name], capabilities=["chat"])
        raw = await _upgraded(gateway.port, topic.name, token)
        async with asyncio.timeout(30):
            received = b""
            while b"\x88" not in received or len(received.split(b"\x88")[-1]) < 3:
                chunk = await asyncio.get_running_loop().sock_recv(raw, 4096)
                assert chunk, "closed without a close frame"
                received += chunk
        raw.close()
        assert int.from_bytes(received.split(b"\x88")[-1][1:3], "big") == 4408


async def _upgraded(port: int, topic: str, token: str) -> sockets.socket:
    """A bare socket after the upgrade: it answers nothing by itself."""
    loop = asyncio.get_running_loop()
    raw = sockets.socket()
    raw.settimeout(0.0)
    await loop.sock_connect(raw, ("127.0.0.1", port))
    lines = (
        f"GET /ws?topic={topic} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        f"Authorization: Bearer {token}",
    )
    head = "".join(f"{line}\r\n" for line in (*lines, ""))
    await loop.sock_sendall(raw, head.encode())
    return raw
