"""Requests that never end: their heads are bounded in size, and everything in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.transport import HttpTransport
from tests.gateway.transport.uvicorn_server import serving
from tests.gateway.transport.wire import FakeTransport


async def no_application(scope: Any, receive: Any, send: Any) -> None: ...


async def test_it_begins_with_all_that_uvicorns_own_begins_with() -> None:
    config = Config(no_application, log_config=None)
    config.load()
    theirs, ours = (kind(config, ServerState(), {}) for kind in (HttpToolsProtocol, HttpTransport))
    ours.connection_made(FakeTransport())
    ours.data_received(b"GET ")

    same = vars(theirs).keys() - {"parser", "transport", "server", "client", "scheme", "scope", "headers"}
    made = {"pipeline", "connections", "tasks", "server_state"}
    assert {name: getattr(ours, name) for name in same - made - {"access_log"}} == {
        name: getattr(theirs, name) for name in same - made - {"access_log"}
    }
    assert {name: type(getattr(ours, name)) for name in made} == {
        name: type(getattr(theirs, name)) for name in made
    }


async def test_who_says_nothing_goes_as_from_uvicorns_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0, "uvicorn.error")  # it traces who goes
    config = Config(no_application, log_config=None)
    config.load()
    state = ServerState()
    ours, transport = HttpTransport(config, state, {}), FakeTransport()
    ours.connection_made(transport)
    assert state.connections == {ours}

    ours.pause_writing()
    ours.resume_writing()
    ours.eof_received()
    ours.shutdown()
    ours.connection_lost(None)

    assert transport.is_closed
    assert not state.connections


HEAD = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
ANSWERED = b"HTTP/1.1 200"


@asynccontextmanager
async def dialed(
    tmp_path: Path, timeout_s: str = "10"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to the gateway."""
    async with serving(tmp_path, env={"MCPX_HANDSHAKE_TIMEOUT_S": timeout_s}) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the gateway closes; a reset is an end too."""
    received = b""
    async with asyncio.timeout(30):
        try:
            while data := await reader.read(65536):
                received += data
        except ConnectionResetError:
            pass
    return received


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(HEAD + b"A: b\r\n" * 8_000, id="many headers"),
        pytest.param(HEAD + b"A: " + b"b" * 40_000, id="a value without end"),
        pytest.param(HEAD + b"A" * 40_000, id="a name without end"),
        pytest.param(b"GET /" + b"a" * 40_000, id="an address without end"),
        pytest.param(HEAD + b"A: " + b"b" * 40_000 + b"\r\n\r\n", id="in one piece"),
        pytest.param(HEAD + b"\r\n" + HEAD + b"A: b\r\n" * 8_000, id="a later request"),
    ],
)
async def test_a_head_over_the_limit_is_answered_431(tmp_path: Path, head: bytes) -> None:
    async with dialed(tmp_path) as (reader, writer):
        for at in range(0, len(head), 4_096):
            writer.write(head[at : at + 4_096])
        received = await rest(reader)

    assert told(received[received.index(b"HTTP/1.1 431 ") :])["code"] == "head_too_large"


UPGRADE = HEAD.replace(b"/livez", b"/ws") + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01", 400, "invalid_request", id="TLS"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", 400, "invalid_request", id="no such version"),
        pytest.param(HEAD + b"A : b\r\n\r\n", 400, "invalid_request", id="a name with a space"),
        pytest.param(HEAD + b"\r\n\x00", 400, "invalid_request", id="after a request"),
        pytest.param(
            UPGRADE + b"Sec-WebSocket-Version: 13\r\n\r\n",
            400,
            "invalid_request",
            id="a handshake without key",
        ),
        pytest.param(
            UPGRADE + KEY + b"Sec-WebSocket-Version: 8\r\n\r\n",
            426,
            "upgrade_required",
            id="an old handshake",
        ),
    ],
)
async def test_what_is_no_request_is_refused_by_name(
    tmp_path: Path, sent: bytes, status: int, code: str
) -> None:
    async with dialed(tmp_path) as (reader, writer):
        if sent.startswith(HEAD + b"\r\n"):
            writer.write(sent[:-1])
            assert (await reader.readuntil(b"ok\n")).startswith(ANSWERED)
            sent = sent[-1:]
        writer.write(sent)
        received = await rest(reader)

    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert (told(received)["code"], told(received)["status"]) == (code, status)
    if status == 426:
        assert b"\r\nsec-websocket-version: 13\r\n" in received.lower()


def told(answer: bytes) -> dict[str, Any]:
    """The problem in an answer, which is one whole."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json\r\n" in head + b"\r\n"
    assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
    problem: dict[str, Any] = json.loads(body)
    return problem


async def test_a_head_below_the_limit_is_read(tmp_path: Path) -> None:
    async with dialed(tmp_path) as (reader, writer):
        writer.write(HEAD + b"A: " + b"b" * 30_000 + b"\r\n\r\n")

        assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD, id="half a head"),
        pytest.param(HEAD + b"\r\n" + HEAD, id="half a later head"),
        pytest.param(
            b"POST /admin/revocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\n{",
            id="half a body",
        ),
    ],
)
async def test_what_does_not_come_to_its_end_in_time_is_cut_off_however_it_trickles(
    tmp_path: Path, sent: bytes
) -> None:
    async with dialed(tmp_path, timeout_s="1") as (reader, writer):
        writer.write(sent)

        async def trickle() -> None:
            while sent:
                await asyncio.sleep(0.05)  # the pace of the attack, not a wait
                writer.write(b"x")

        trickling = asyncio.create_task(trickle())
        try:
            received = await rest(reader)
        finally:
            trickling.cancel()
            await asyncio.gather(trickling, return_exceptions=True)

    assert received.count(b"HTTP/1.1 ") == sent.count(b"\r\n\r\n")


async def test_who_has_asked_and_been_answered_may_ask_again(tmp_path: Path) -> None:
    async with dialed(tmp_path, timeout_s="2") as (reader, writer):
        for _ in range(11):
            writer.write(HEAD + b"\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(ANSWERED)
            assert await reader.readexactly(3) == b"ok\n"
            await asyncio.sleep(0.2)  # together longer than the deadline of one
