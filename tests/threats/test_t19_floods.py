"""T19: floods, tiny messages, huge pings, endless fragments, slow requests, idle sockets, too many of all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from tests.conformance.topic_under_test import Seat, TopicUnderTest
from tests.gateway_process import running_gateway


async def refusal(ops: TopicUnderTest, token: str) -> tuple[int, dict[str, Any]]:
    """The gateway's answer to one too many: status and problem."""
    response = await ops.refused(token)
    assert int(response.headers["Retry-After"]) > 0
    return response.status_code, json.loads(response.body or b"{}")


async def test_tiny_envelopes_without_pause_are_refused_by_name_and_hinder_nobody() -> None:
    async with running_gateway(env={"MCPX_RATE_LIMIT": "50:100"}) as gateway:
        ops = TopicUnderTest(gateway)
        async with (
            ops.conducted(),
            ops.join("flood", "chat") as flood,
            ops.join("bob", "chat") as bob,
        ):
            for _ in range(1_000):
                await flood.send("chat")
            sent = await bob.send("chat")
            heard = [one for one in await bob.heard() if one["kind"] == "chat"]
            refused = [one["payload"] for one in await flood.heard() if one["kind"] == "system/error"]

    assert {one["error"] for one in refused} == {"rate_limited"}
    assert len(refused) + len(heard) - 1 == 1_000
    assert len(refused) > 500
    assert sent.id in {one["id"] for one in heard}


def fragments(count: int, size: int) -> bytes:
    first = Frame(Opcode.TEXT, b"x" * size, fin=False).serialize(mask=True, extensions=[])
    more = Frame(Opcode.CONT, b"x" * size, fin=False).serialize(mask=True, extensions=[])
    return first + more * count


def frame_of(length: int, head: int = 0x81) -> bytes:
    """A frame's head alone, which says that so much will come."""
    return bytes((head, 0x80 | 127)) + length.to_bytes(8, "big") + b"mask"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(bytes((0x89, 0x80 | 126, 0xFF, 0xFF)) + b"mask" + b"x" * 65_535, 1002, id="a huge ping"),
        pytest.param(frame_of(1 << 20, 0x89) + b"x" * (1 << 20), 1002, id="a ping of a mebibyte"),
        pytest.param(fragments(64, 50_000), 1009, id="fragments over the limit"),
        pytest.param(frame_of((1 << 63) - 1), 1009, id="a frame that would fill the memory"),
        pytest.param(frame_of(1 << 63), 1009, id="a length that is none"),
        pytest.param(b"\x81\x05hello", 1002, id="a frame without a mask"),
        pytest.param(b"\x83\x80mask", 1002, id="an opcode that is none"),
        pytest.param(b"\x80\x80mask", 1002, id="a continuation of nothing"),
    ],
)
async def test_a_frame_made_to_cost_more_than_it_should_ends_its_connection_by_name(
    ops: TopicUnderTest, sent: bytes, code: int
) -> None:
    async with ops.join("bob", "chat") as bob:
        token = ops.gateway.token("mallory", topics=[ops.name])
        async with ops.connect(token) as socket:
            socket.transport.write(sent)
            assert await Seat(ops, "mallory", socket, {}).close_code() == code
        said = await bob.send("chat")
        assert (await bob.next_of("chat"))["id"] == said.id


async def test_fragments_that_hold_nothing_take_no_memory_and_hinder_nobody(ops: TopicUnderTest) -> None:
    async with ops.join("bob", "chat") as bob:
        token = ops.gateway.token("mallory", topics=[ops.name])
        async with ops.connect(token) as socket:
            socket.transport.write(fragments(200_000, 0))
            said = await bob.send("chat")
            assert (await bob.next_of("chat"))["id"] == said.id
            socket.transport.abort()


async def test_sockets_that_say_nothing_and_requests_that_never_end_are_closed() -> None:
    starts: list[bytes] = [
        b"",
        b"G",
        b"GET /ws?topic=a HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        b"POST /admin/revocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ]
    async with running_gateway(env={"MCPX_HANDSHAKE_TIMEOUT_S": "2"}) as gateway:

        async def hang(start: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(start)
            with suppress(ConnectionResetError):
                while await reader.read(65536):
                    pass
            writer.close()

        async with asyncio.timeout(60):
            await asyncio.gather(*(hang(start) for start in starts for _ in range(40)))
        ops = TopicUnderTest(gateway)
        async with ops.join("ann", "chat"):
            pass


async def test_one_who_answers_no_ping_is_closed() -> None:
    env = {"MCPX_PING_INTERVAL_S": "0.5", "MCPX_PING_TIMEOUT_S": "3"}
    async with running_gateway(env=env) as gateway:
        ops = TopicUnderTest(gateway)
        async with ops.join("bob") as bob:
            idle = await ops.connect(gateway.token("idle", topics=[ops.name]))
            idle.transport.pause_reading()
            async with asyncio.timeout(60):  # it gets five seconds to take the close frame
                while '"leave"' not in str(text := await bob.socket.recv()):
                    pass
            idle.transport.abort()

    assert '"id":"idle"' in str(text)


async def _fill(ops: TopicUnderTest, stack: AsyncExitStack, token: Callable[[int], str], count: int) -> None:
    for n in range(count):
        await stack.enter_async_context(ops.connect(token(n)))


async def test_connections_of_a_token_are_bounded_and_told_so() -> None:
    async with running_gateway(env={"MCPX_MAX_TOKEN_CONNECTIONS": "3"}) as gateway, AsyncExitStack() as stack:
        ops = TopicUnderTest(gateway)
        token = gateway.token("ann", topics=[ops.name])
        await _fill(ops, stack, lambda _: token, 2)
        async with ops.connect(token):
            status, problem = await refusal(ops, token)
        async with asyncio.timeout(30):
            while True:  # the place is free once the gateway has seen the end
                with suppress(InvalidStatus):
                    async with ops.connect(token):
                        break
        async with ops.connect(gateway.token("ann", topics=[ops.name])):
            pass

    assert (status, problem["code"], problem["per"]) == (429, "too_many_connections", "token")


async def test_connections_of_an_address_are_bounded_where_that_is_set() -> None:
    env = {"MCPX_MAX_ADDRESS_CONNECTIONS": "3"}
    async with running_gateway(env=env) as gateway, AsyncExitStack() as stack:
        ops = TopicUnderTest(gateway)
        await _fill(ops, stack, lambda n: gateway.token(f"p{n}", topics=[ops.name]), 3)
        status, problem = await refusal(ops, gateway.token("late", topics=[ops.name]))

    assert (status, problem["code"], problem["per"]) == (429, "too_many_connections", "address")


async def test_who_reconnects_without_pause_is_told_to_wait() -> None:
    async with running_gateway(env={"MCPX_JOIN_RATE": "0.01:4"}) as gateway:
        ops = TopicUnderTest(gateway)
        for _ in range(4):
            async with ops.connect(gateway.token("storm", topics=[ops.name])):
                pass
        status, problem = await refusal(ops, gateway.token("storm", topics=[ops.name]))
        async with ops.connect(gateway.token("bob", topics=[ops.name])):
            pass

    assert (status, problem["code"]) == (429, "too_many_requests")
    assert 60 < problem["retry_after_s"] <= 100, "less by as long as the four took"


async def test_a_refused_handshake_leaves_nothing_open(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=["elsewhere"])
    for _ in range(100):
        assert (await ops.refused(token)).status_code == 403
    async with ops.join("ann", "chat"):
        pass
