"""T20: a compression bomb, or secrets guessed by how well they compress beside what one knows."""

from __future__ import annotations

import zlib
from functools import cache
from typing import Final

import httpx
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from tests.conformance.topic_under_test import Seat, TopicUnderTest
from tests.gateway_process import running_gateway

INFLATED: Final = 64 << 20


@cache
def compressed_frame() -> bytes:
    """A frame that fits the limit of an envelope until it is inflated."""
    bomb = zlib.compress(b" " * INFLATED)[2:-4]
    assert len(bomb) < 1 << 20
    frame = bytearray(Frame(Opcode.TEXT, bomb).serialize(mask=True, extensions=[]))
    frame[0] |= 0x40  # RSV1
    return bytes(frame)


async def test_an_offer_to_compress_is_not_taken(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=[ops.name])

    async with ops.connect(token, extensions=[ClientPerMessageDeflateFactory()], compression=None) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        assert socket.protocol.extensions == []


async def test_a_compressed_frame_ends_the_connection_unread(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=[ops.name])

    async with ops.connect(token, compression=None) as socket:
        socket.transport.write(compressed_frame())

        assert await Seat(ops, "ann", socket, {}).close_code() == 1002


async def test_where_it_is_asked_for_a_bomb_is_refused_before_it_fills_the_memory() -> None:
    async with running_gateway(env={"MCPX_DEFLATE": "on"}) as gateway:
        ops = TopicUnderTest(gateway)
        before, agreed = gateway.resident_bytes, ""
        for n in range(5):
            async with ops.connect(
                gateway.token(f"m{n}", topics=[ops.name]), compression="deflate"
            ) as socket:
                assert socket.response is not None
                agreed = socket.response.headers["Sec-WebSocket-Extensions"]
                socket.transport.write(compressed_frame())
                assert await Seat(ops, f"m{n}", socket, {}).close_code() == 1009
        grown = gateway.resident_bytes - before
        async with ops.join("ann", "chat") as ann:
            sent = await ann.send("chat")
            assert (await ann.next_of("chat"))["id"] == sent.id

    assert grown < INFLATED / 4
    # What one says is never compressed beside what another, or oneself, said before.
    assert "server_no_context_takeover" in agreed
    assert "client_no_context_takeover" in agreed


async def test_an_answer_over_http_is_not_compressed(ops: TopicUnderTest) -> None:
    async with httpx.AsyncClient(base_url=ops.gateway.http_url, trust_env=False, timeout=30) as http:
        for path in ("/", "/openapi.json", "/metrics"):
            answer = await http.get(path, headers={"Accept-Encoding": "gzip, deflate, br"})
            assert "content-encoding" not in answer.headers
