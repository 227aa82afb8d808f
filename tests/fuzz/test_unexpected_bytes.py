"""
An unexpected byte anywhere gets a named refusal: no traceback, no 5xx but 503, and the gateway serves on.

`BYTES` in the environment sets how many of each kind are sent; the suite sends some hundreds.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.speedups import apply_mask

from schemas import CLOSE_REASONS, ErrorCode
from tests.conformance.topic_under_test import TopicUnderTest
from tests.fuzz.targets import mutated, seeds
from tests.gateway.transport.wire import client_frame
from tests.gateway_process import GatewayProcess, running_gateway

COUNT: Final = int(os.environ.get("BYTES") or 300)
PATIENCE_S: Final = 30.0
SILENCE_S: Final = 1.4
"""Longer than a handshake may take there."""
AT_ONCE: Final = 50
CODES: Final = {int(code) for code in CLOSE_REASONS} | {1005}
ERRORS: Final = {str(code) for code in ErrorCode}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[GatewayProcess]:
    """A gateway that is the same process at the end, serves, and has no failure to tell."""
    env = {
        "MCPX_LOG_FORMAT": "json",
        "MCPX_HANDSHAKE_TIMEOUT_S": "1",
        "MCPX_RATE_LIMIT": "1000000:1000000",
        "MCPX_JOIN_RATE": "1000000:1000000",
        "MCPX_MAX_TOKEN_CONNECTIONS": "0",
    }
    async with running_gateway(env=env) as process:
        pid = process.pid
        yield process
        assert process.pid == pid
        async with TopicUnderTest(process).conducted() as ops, ops.join("ann", "chat") as ann:
            sent = await ann.send("chat")
            assert (await ann.next_of("chat"))["id"] == sent.id
        log = process.log_text()
        assert not re.search(r"Traceback|[Uu]nhandled|exception|request\.failed", log), log[-3000:]
        assert [event for event in process.log_events() if event.get("level") == "error"] == []


async def answers(port: int, sent: bytes) -> bytes:
    """What comes back over a bare connection until it is closed, or has been silent for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        with suppress(ConnectionError, TimeoutError):
            writer.write(sent)
            while data := await asyncio.wait_for(reader.read(65536), SILENCE_S):
                received += data
    finally:
        writer.transport.abort()
    return received


def check_http(received: bytes, sent: bytes) -> None:
    statuses = [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3}) ", received, re.MULTILINE)]
    assert all(status < 500 or status == 503 for status in statuses), (sent, received)
    assert not re.search(rb"Traceback|File \"|\.py\b", received.replace(b"application/x-python", b"")), (
        sent,
        received,
    )


def upgrade(gateway: GatewayProcess) -> bytes:
    lines = (
        "GET /ws?topic=bytes&mode=all HTTP/1.1",
        f"Host: 127.0.0.1:{gateway.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Origin: {gateway.http_url}",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: mcpx.v0.1, base64url.bearer.mcpx.AAAA",
        f"Authorization: Bearer {gateway.token('bytes', topics=['bytes'])}",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


async def at_once(sends: list[bytes], port: int) -> None:
    for at in range(0, len(sends), AT_ONCE):
        batch = sends[at : at + AT_ONCE]
        for sent, received in zip(
            batch, await asyncio.gather(*(answers(port, s) for s in batch)), strict=True
        ):
            if not received.startswith(b"HTTP/1.1 101"):
                check_http(received, sent)


def no_requests() -> list[bytes]:
    """What a port may get that is no request, or a strange one; and random changes of it."""
    random = Random("tcp")
    known = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://[::1]:x/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: \x00\r\n\r\n",
        b"GET /%ff%fe%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET //evil/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /assets/%2e%2e/%2e%2e/settings.py HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /assets/\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /assets/%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /assets/" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n\r\n",
        b"GET /livez HTTP/1.0\r\n\r\n",
    ]
    strange = [random.randbytes(random.randrange(1, 200)) for _ in range(COUNT // 3)]
    changed = [mutated(random, random.choice(known), random.choice(known)) for _ in range(COUNT)]

    return known + strange + changed


async def test_at_the_tcp_level(gateway: GatewayProcess) -> None:
    await at_once(no_requests(), gateway.port)


async def test_at_the_upgrade(gateway: GatewayProcess) -> None:
    random, good = Random("upgrade"), upgrade(gateway)
    assert (await answers(gateway.port, good)).startswith(b"HTTP/1.1 101 ")

    await at_once([mutated(random, good, good) for _ in range(COUNT)], gateway.port)


def codes_said(sent: bytes) -> set[int]:
    """
    The codes that `sent` itself closes with, wherever in it a frame may begin.

    A peer's own code is said back to it (RFC 6455 5.5.1), and a changed byte makes any number of it.
    """
    closes = re.finditer(rb"(?=\x88[\x82-\xfd](....))", sent, re.DOTALL)
    return {
        int.from_bytes(apply_mask(sent[begun.end(1) :][:2], begun[1]), "big")
        for begun in closes
        if len(sent) >= begun.end(1) + 2
    }


async def test_in_frames(gateway: GatewayProcess) -> None:
    random = Random("frames")
    parts = [(Opcode.TEXT, text, True) for text in seeds("envelope")]
    parts += [
        (Opcode.PING, b"x" * 125, True),
        (Opcode.PONG, b"", True),
        (Opcode.CLOSE, (1000).to_bytes(2, "big") + b"bye", True),
        (Opcode.BINARY, b"\x00\xff", True),
        (Opcode.TEXT, b"\xff\xfe", True),
        (Opcode.TEXT, b'{"a', False),
        (Opcode.CONT, b'":1}', True),
    ]
    # The masks come from the seed too, so that a failure happens again.
    whole = [client_frame(opcode, data, fin=fin, mask=random.randbytes(4)) for opcode, data, fin in parts]

    codes: set[int | None] = set()

    async def converse(sent: bytes) -> None:
        ops = TopicUnderTest(gateway, "bytes")
        async with ops.connect(gateway.token("bytes", topics=["bytes"])) as socket:
            socket.transport.write(sent)
            with suppress(OSError):
                socket.transport.write_eof()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        told = json.loads(await socket.recv())
                        assert told["from"] in {"system:gateway", "ann", "bytes"}, sent
                        if told["kind"] == "system/error":
                            assert told["payload"]["error"] in ERRORS, sent
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else None
                assert code in {*CODES, None} | codes_said(sent), (code, sent)
                codes.add(code)

    for _ in range(COUNT // 15):
        sends = [
            b"".join(mutated(random, random.choice(whole), random.choice(whole)) for _ in range(3))
            for _ in range(15)
        ]
        await asyncio.gather(*(converse(sent) for sent in sends))
    assert {1002, 1003, 1007} <= codes


async def test_in_envelopes(gateway: GatewayProcess) -> None:
    random, known = Random("envelopes"), seeds("envelope")
    async with TopicUnderTest(gateway).conducted() as ops, ops.join("ann", "mcp/*", "chat") as ann:
        for n in range(COUNT * 3):
            data = mutated(random, random.choice(known), random.choice(known))
            try:
                await ann.send_text(data.decode())
            except UnicodeDecodeError:
                continue
            # One answer each, in turn: its own envelope, or why not.
            told = json.loads(await ann.next_text())
            if told["from"] == "system:gateway":
                assert told["kind"] == "system/error", data
                assert told["payload"]["error"] in ERRORS, data
                assert len(told["payload"]["message"]) < 1_000, data
            else:
                assert told["from"] == "ann", data
            if n % 100 == 0:
                assert await ann.heard_nothing()


STRANGE: Final = (
    "", "x", "null", "\x00", "\n", "../..", "%", "%zz", "é", "\U0001f600", "a" * 5_000, "*", "system:gateway",
    "-1", "1e9", "99999999999999999999", "NaN", "{}", "[]", '"', "\\", "'; DROP TABLE", "topic=x&topic=y",
)  # fmt: skip  # a list of words, not a line for each


def strange_body(random: Random) -> bytes:
    known = (
        b'{"add":["mcp/*"],"remove":[],"reason":"x","ttl_s":60}',
        b'{"jti":"x","reason":"y"}',
        b'{"participant":"ann","topic":"ops"}',
        b"{}",
        b"[" * 10_000,
        b'{"add":[1e400,-0,"\\ud800"],"add":[]}',
        b"\xff\xfe",
    )
    return mutated(random, random.choice(known), random.choice(known))


def strange_headers(random: Random, token: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}"} if random.random() < 0.8 else {}
    for name in (
        "If-Match",
        "If-None-Match",
        "Content-Type",
        "Accept",
        "Range",
        "Authorization",
        "Origin",
        "Cookie",
    ):
        if random.random() < 0.15:
            headers[name] = random.choice([text for text in STRANGE if text.isascii() and text.isprintable()])
    return headers


async def test_at_each_http_endpoint(gateway: GatewayProcess) -> None:
    random = Random("http")
    async with httpx.AsyncClient(base_url=gateway.http_url, trust_env=False, timeout=PATIENCE_S) as http:
        described: dict[str, Any] = (await http.get("/openapi.json")).json()["paths"]
        paths = [*described, "/", "/ws", "/assets/app.js", "/assets/{x}", "/{x}", "/admin/{x}"]
        assert len(paths) > 15
        for n in range(COUNT * 2):
            template = paths[n % len(paths)]
            path = re.sub(r"\{\w+\}", lambda _: quote(random.choice(STRANGE), safe=""), template)
            names = ("topic", "participant", "kind", "limit", "after", "mode", "verbose", "x")
            query: Any = [(random.choice(names), random.choice(STRANGE)) for _ in range(random.randrange(3))]
            method = random.choice(
                ("GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW")
            )
            token = random.choice((gateway.admin_token(), gateway.token("ann"), "x.y.z"))
            with suppress(httpx.RemoteProtocolError):  # cut off, as a request that breaks HTTP may be
                answer = await http.request(
                    method,
                    path,
                    params=query,
                    content=strange_body(random),
                    headers=strange_headers(random, token),
                )
                assert answer.status_code < 500 or answer.status_code == 503, (method, path, query)
                assert "Traceback" not in answer.text
                if answer.status_code >= 400 and answer.content:
                    problem = answer.json()
                    assert problem["code"], (method, path, query, problem)
                    assert answer.headers["content-type"] == "application/problem+json"
