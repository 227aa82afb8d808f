"""T20: a compression bomb, or secrets guessed by how well they compress: nothing is compressed."""

from __future__ import annotations

import zlib

import httpx
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from tests.conformance.topic_under_test import Seat, TopicUnderTest


async def test_an_offer_to_compress_is_not_taken(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=[ops.name])

    async with ops.connect(token, extensions=[ClientPerMessageDeflateFactory()], compression=None) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        assert socket.protocol.extensions == []


async def test_a_compressed_frame_ends_the_connection_unread(ops: TopicUnderTest) -> None:
    token = ops.gateway.token("ann", topics=[ops.name])
    bomb = zlib.compress(b" " * (512 << 20))[2:-4]
    assert len(bomb) < 1 << 20, "it fits the limit until it is inflated"

    async with ops.connect(token, compression=None) as socket:
        frame = bytearray(Frame(Opcode.TEXT, bomb).serialize(mask=True, extensions=[]))
        frame[0] |= 0x40  # RSV1: compressed
        socket.transport.write(frame)

        assert await Seat(ops, "ann", socket, {}).close_code() == 1002


async def test_an_answer_over_http_is_not_compressed(ops: TopicUnderTest) -> None:
    async with httpx.AsyncClient(base_url=ops.gateway.http_url, trust_env=False) as http:
        for path in ("/", "/openapi.json", "/metrics"):
            answer = await http.get(path, headers={"Accept-Encoding": "gzip, deflate, br"})
            assert "content-encoding" not in answer.headers
