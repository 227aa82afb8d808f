"""The protocol class under a real uvicorn: plain applications, those that attach, and the gateway's own."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.core import Member
from gateway.node import Node
from gateway.transport import (
    EXTENSION,
    FramedConnection,
    HttpTransport,
    WebSocketTransport,
    frame_head,
)
from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway.transport.uvicorn_server import serving
from tests.gateway_process import SECRET, GatewayProcess

PATIENCE_S = 30.0
Application = Callable[[Any, Any, Any], Awaitable[None]]


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[ClientConnection]:
    async with asyncio.timeout(4 * PATIENCE_S):
        async with connect(url, proxy=None, open_timeout=PATIENCE_S, max_size=None, **options) as socket:
            yield socket


async def heard(socket: ClientConnection) -> str | bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await socket.recv()


async def closed(socket: ClientConnection) -> tuple[int, str] | None:
    """How the server closes, past everything still heard; `None` when it only goes."""
    try:
        while True:
            await heard(socket)
    except ConnectionClosed as end:
        return (end.rcvd.code, end.rcvd.reason) if end.rcvd is not None else None


# An application that never attaches


async def test_an_application_that_receives_and_sends_needs_to_know_nothing(tmp_path: Path) -> None:
    ends: list[dict[str, Any]] = []

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "subprotocol": "two"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
        ends.append(message)

    async with serving(tmp_path, echo) as url, client(url, subprotocols=["one", "two"]) as socket:
        assert socket.subprotocol == "two"
        for message in ("text", b"binary", "", "x" * 100_000):
            await socket.send(message)
            assert await heard(socket) == message
        await socket.send(["in ", "pieces"])
        assert await heard(socket) == "in pieces"
        await asyncio.wait_for(await socket.ping(), PATIENCE_S)
        await socket.close(3001, "enough")

    assert ends == [{"type": "websocket.disconnect", "code": 3001, "reason": "enough"}]


@pytest.mark.parametrize("count", [1, 100, 40_000])
async def test_what_is_sent_before_the_application_receives_waits_for_it(tmp_path: Path, count: int) -> None:
    sent = threading.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.to_thread(sent.wait, PATIENCE_S)
        for _ in range(count):
            await send({"type": "websocket.send", "text": (await receive())["text"]})
        await send({"type": "websocket.close", "code": 1000})

    async with serving(tmp_path, late) as url, client(url) as socket:
        sending = asyncio.create_task(_send_numbers(socket, count, sent))
        assert [await heard(socket) for _ in range(count)] == [str(number) for number in range(count)]
        await sending
        assert await closed(socket) == (1000, "")


async def _send_numbers(socket: ClientConnection, count: int, sent: threading.Event) -> None:
    for number in range(count):
        await socket.send(str(number))
        if number == min(count, 1000) - 1:  # later ones may wait until the server reads
            sent.set()


async def test_an_application_refuses_with_an_http_response(tmp_path: Path) -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"content-type", b"text/plain"), (b"x-why", b"because")]
        await send({"type": "websocket.http.response.start", "status": 418, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"short ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"and stout"})

    async with serving(tmp_path, refuse) as url:
        with pytest.raises(InvalidStatus) as refused:
            async with client(url):
                pass

    response = refused.value.response
    assert (response.status_code, response.headers["x-why"]) == (418, "because")
    assert response.body == b"short and stout"


async def test_an_application_that_closes_before_it_accepts_is_403(tmp_path: Path) -> None:
    async def close(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4000})

    async with serving(tmp_path, close) as url:
        with pytest.raises(InvalidStatus) as refused:
            async with client(url):
                pass

    assert refused.value.response.status_code == 403


async def test_an_application_that_raises_is_500_before_it_accepts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken on purpose")

    with caplog.at_level(logging.ERROR):
        async with serving(tmp_path, fail) as url:
            with pytest.raises(InvalidStatus) as refused:
                async with client(url):
                    pass

    assert refused.value.response.status_code == 500
    assert "broken on purpose" in caplog.text


async def test_an_application_that_only_sends_is_kept_alive_by_pongs(tmp_path: Path) -> None:
    count = 25  # at a tenth of a second each, for longer than a pong is waited for

    async def push(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(count):
            await send({"type": "websocket.send", "text": str(number)})
            await asyncio.sleep(0.1)
        await send({"type": "websocket.close", "code": 1000})

    env = {"MCPX_PING_INTERVAL_S": "0.1", "MCPX_PING_TIMEOUT_S": "2"}
    async with serving(tmp_path, push, env=env) as url, client(url) as socket:
        assert [await heard(socket) for _ in range(count)] == [str(number) for number in range(count)]
        assert await closed(socket) == (1000, "")


async def test_an_application_that_closes_without_receiving_closes_with_its_code(tmp_path: Path) -> None:
    async def close(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4999, "reason": "not today"})

    async with serving(tmp_path, close) as url, client(url) as socket:
        assert await closed(socket) == (4999, "not today")


# An application that attaches


class Talker:
    """A receiver that says again what it hears, and how its connection ended."""

    def __init__(self) -> None:
        self.connection: FramedConnection | None = None
        self.ends: list[int] = []
        self.is_over = threading.Event()

    def received(self, messages: Sequence[bytes]) -> None:
        assert self.connection is not None, "attached before anything is handed over"
        for data in messages:
            self.connection.write(frame_head(len(data)) + data)

    def received_binary(self) -> None: ...

    def read_done(self) -> None: ...

    def overflown(self) -> None: ...

    def too_big_farewell(self) -> bytes:
        return b"farewell"

    def ended(self, code: int) -> None:
        self.ends.append(code)
        self.is_over.set()


def attaching(talker: Talker, until: Callable[[WebSocketTransport], bool] = lambda _: True) -> Application:
    """Make an application that attaches once `until` says so, after it has accepted, and returns."""

    async def attach(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        transport: WebSocketTransport = scope["extensions"][EXTENSION]
        async with asyncio.timeout(PATIENCE_S):
            while not until(transport):  # noqa: ASYNC110  # told from another thread
                await asyncio.sleep(0.001)
        talker.connection = transport.attach(talker, max_waiting=16 << 20)

    return attach


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("count", [1, 100, 40_000])
async def test_who_attaches_hears_everything_in_order(tmp_path: Path, is_late: bool, count: int) -> None:
    talker, sent = Talker(), threading.Event()
    app = attaching(talker, lambda _: sent.is_set() or not is_late)
    async with serving(tmp_path, app) as url, client(url) as socket:
        sending = asyncio.create_task(_send_numbers(socket, count, sent))
        assert [await heard(socket) for _ in range(count)] == [str(number) for number in range(count)]
        await sending
        await socket.close(3002)

    assert talker.ends == [3002]


async def test_one_that_has_gone_before_anybody_attached_is_told_as_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    talker = Talker()
    app = attaching(talker, lambda transport: transport.disconnected)
    async with serving(tmp_path, app) as url, client(url) as socket:
        await socket.send("last words")
        socket.transport.abort()
        assert await asyncio.to_thread(talker.is_over.wait, PATIENCE_S)
        assert talker.connection is not None
        talker.connection.write(b"into the void")

    assert talker.ends == [1006]
    assert "Exception in ASGI application" not in caplog.text


async def test_a_server_that_goes_away_closes_who_is_attached_with_1012(tmp_path: Path) -> None:
    talker = Talker()
    async with serving(tmp_path, attaching(talker)) as url:
        waiting = connect(url, proxy=None)
        socket = await waiting
        await socket.send("here")
        assert await heard(socket) == "here"

    assert await closed(socket) == (1012, "")
    assert talker.ends == [1012]


async def test_who_is_attached_gets_the_farewell_and_then_1009(tmp_path: Path) -> None:
    talker = Talker()
    async with serving(tmp_path, attaching(talker), max_size=100) as url, client(url) as socket:
        await socket.send("x" * 101)
        assert await heard(socket) == "farewell"
        end = await closed(socket)

    assert end is not None
    assert end[0] == 1009
    assert talker.ends == [1009]


# The gateway's own application, with the extension and without

# These run in process; tests/conformance has the same and more on real processes, with the extension.

CLASSES: dict[str, Any] = {"with the extension": WebSocketTransport, "without": WebSocketsSansIOProtocol}


@pytest.fixture(params=list(CLASSES.values()), ids=list(CLASSES))
async def ops(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TopicUnderTest]:
    gateway = GatewayProcess((), tmp_path, {})  # never started: it issues the tokens
    env = {"MCPX_JWT_SECRET": SECRET, "MCPX_RATE_LIMIT": "1000:1000", "MCPX_MAX_ENVELOPE_BYTES": "65536"}
    async with serving(tmp_path, ws=request.param, env=env) as url:
        gateway.url, gateway.http_url = url, url.replace("ws", "http", 1)
        async with TopicUnderTest(gateway).conducted() as topic:
            yield topic


async def test_members_hear_each_others_envelopes_in_one_order_as_they_were_sent(ops: TopicUnderTest) -> None:
    async with ops.join("ann", "chat") as ann, ops.join("bob", "chat") as bob:
        await ann.heard()
        sent = []
        for number in range(50):
            sent.append((await ann.send("chat", {"text": f"ann {number}"})).id)
            sent.append((await bob.send("chat", {"text": f"bob {number}"})).id)
        by_ann = [(await ann.next_of("chat"))["id"] for _ in sent]
        by_bob = [(await bob.next_of("chat"))["id"] for _ in sent]

        assert sorted(by_ann) == sorted(sent)
        assert by_ann == by_bob


async def test_a_refusal_is_heard_by_its_sender_alone(ops: TopicUnderTest) -> None:
    async with ops.join("ann", "chat") as ann, ops.join("bob") as bob:
        sent = await ann.send("mcp/request:tools/list")

        error = await ann.next_error()
        assert (error["payload"]["error"], error["correlation_id"]) == ("capability_violation", sent.id)
        assert await bob.heard_nothing()


async def test_a_leave_is_heard_by_the_others(ops: TopicUnderTest) -> None:
    async with ops.join("bob") as bob:
        async with ops.join("ann", "chat"):
            assert (await bob.next())["payload"]["event"] == "join"

        assert (await bob.next())["payload"]["event"] == "leave"


async def test_a_handshake_without_a_token_is_refused_with_a_problem(ops: TopicUnderTest) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with ops.connect(None):
            pass

    response = refused.value.response
    assert response.status_code == 401
    assert json.loads(response.body)["code"] == "token_missing"


BREACHES: dict[str, tuple[Any, int]] = {
    "binary": (b"\x00", 1003),
    "too large": ("x" * 70_000, 1009),
}


@pytest.mark.parametrize(("message", "code"), BREACHES.values(), ids=BREACHES)
async def test_a_breach_closes_with_its_code_and_the_others_hear_a_leave(
    ops: TopicUnderTest, message: Any, code: int
) -> None:
    async with ops.join("bob") as bob:
        async with ops.join("ann", "chat") as ann:
            await ann.socket.send(message)
            assert await ann.close_code() == code

        assert [one["payload"]["event"] for one in await bob.heard()] == ["join", "leave"]


async def test_a_fault_of_ours_ends_the_connection_that_met_it_and_the_others_hear_so_at_once(
    ops: TopicUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = Node.receive

    def failing(node: Node, member: Member, messages: Sequence[bytes]) -> None:
        receive(node, member, messages)
        if b"boom" in messages[-1]:
            raise RuntimeError("a bug")

    monkeypatch.setattr(Node, "receive", failing)
    async with ops.join("bob") as bob, ops.join("ann", "chat") as ann:
        assert (await bob.next())["payload"]["event"] == "join"

        await ann.send("chat", {"text": "boom"})

        assert (await bob.next())["kind"] == "chat"
        assert (await bob.next())["payload"]["event"] == "leave"
        assert await ann.close_code() == 1011


async def test_what_is_over_leaves_nothing_for_the_collector(tmp_path: Path) -> None:
    async def some(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/refused":
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        talker = Talker()
        talker.connection = scope["extensions"][EXTENSION].attach(talker, max_waiting=1 << 20)

    def alive() -> int:
        kinds = (WebSocketTransport, FramedConnection, HttpTransport)
        return sum(type(each) in kinds for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        async with serving(tmp_path, some) as url:
            for _ in range(20):
                async with client(url) as socket:
                    await socket.send("hello")
                    assert await heard(socket) == "hello"
                with pytest.raises(InvalidStatus):
                    async with client(f"{url}/refused"):
                        pass
        assert alive() <= 2, "the last ones may still be on their way out"
    finally:
        gc.enable()
