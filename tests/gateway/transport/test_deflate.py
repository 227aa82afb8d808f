"""Messages compressed once for everybody: what is agreed on, and what an inflated one may weigh."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from gateway.transport.deflate import Deflater, deflated_frame, negotiate
from tests.conformance.topic_under_test import Seat, TopicUnderTest
from tests.gateway.transport.uvicorn_server import serving
from tests.gateway_process import SECRET, GatewayProcess

ENV = {"MCPX_JWT_SECRET": SECRET, "MCPX_DEFLATE": "on", "MCPX_MAX_ENVELOPE_BYTES": "65536"}


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        "x-other, permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=9, permessage-deflate",
    ],
)
def test_what_browsers_and_libraries_offer_is_taken_without_contexts(offer: str) -> None:
    agreed = negotiate([offer])

    assert agreed is not None
    assert "server_no_context_takeover" in agreed[0]
    assert "client_no_context_takeover" in agreed[0]


@pytest.mark.parametrize(
    "offer", ["", "x-other", "permessage-deflate; unknown", "permessage-deflate; =;", ";", "é"]
)
def test_what_cannot_be_agreed_on_is_not_answered(offer: str) -> None:
    assert negotiate([offer]) is None


@given(st.text(max_size=3000).map(str.encode))
def test_a_frame_inflates_to_what_was_sent(data: bytes) -> None:
    frame = deflated_frame(data)
    size, start = frame[1], 2
    if size == 126:
        size, start = int.from_bytes(frame[2:4], "big"), 4

    assert len(frame) == start + size
    content = frame[start:]
    if frame[0] & 0x40:
        content = zlib.decompressobj(wbits=-12).decompress(content + b"\x00\x00\xff\xff")
    assert content == data


def test_one_batch_is_compressed_once() -> None:
    deflater, batch = Deflater(), [b"x" * 1000, b"y" * 1000]

    assert deflater.frames(batch) is deflater.frames(batch)
    assert deflater.frames([b"z"]) == deflated_frame(b"z")


@pytest.fixture
async def topic(tmp_path: Path) -> AsyncIterator[TopicUnderTest]:
    gateway = GatewayProcess((), tmp_path, {})  # never started: it issues the tokens
    async with serving(tmp_path, env=ENV) as url:
        gateway.url, gateway.http_url = url, url.replace("ws", "http", 1)
        async with TopicUnderTest(gateway).conducted() as topic:
            yield topic


@asynccontextmanager
async def compressing(topic: TopicUnderTest, id: str) -> AsyncIterator[Seat]:
    token = topic.gateway.token(id, topics=[topic.name], capabilities=["chat"])
    extensions = [ClientPerMessageDeflateFactory()]
    async with topic.connect(token, extensions=extensions, compression=None) as socket:
        assert [type(each).__name__ for each in socket.protocol.extensions] == ["PerMessageDeflate"]
        yield Seat(topic, id, socket, {})


async def test_members_who_compress_and_members_who_do_not_hear_the_same(topic: TopicUnderTest) -> None:
    async with compressing(topic, "ann") as ann, topic.join("bob", "chat") as bob:
        text = "wordy " * 2000
        sent = [(await one.send("chat", {"text": text})).id for one in (ann, bob)]

        heard = [[await one.next_of("chat") for _ in sent] for one in (ann, bob)]

        assert heard[0] == heard[1]
        assert {one["id"] for one in heard[0]} == set(sent)
        assert {one["payload"]["text"] for one in heard[0]} == {text}


async def test_an_application_as_asgi_has_it_hears_and_says_compressed_messages(tmp_path: Path) -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})

    async with serving(tmp_path, echo, env=ENV) as url, connect(url, proxy=None) as socket:
        async with asyncio.timeout(30):
            await socket.send("again " * 1000)
            assert await socket.recv() == "again " * 1000


async def test_a_bomb_is_too_large_once_inflated(topic: TopicUnderTest) -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -12)
    content = (bomb.compress(b" " * (16 << 20)) + bomb.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(content) < 65_536, "it fits the limit until it is inflated"

    async with compressing(topic, "ann") as ann:
        frame = bytearray(Frame(Opcode.TEXT, content).serialize(mask=True, extensions=[]))
        frame[0] |= 0x40  # RSV1: compressed
        ann.socket.transport.write(frame)

        assert (await ann.next_error())["payload"]["error"] == "too_large"
        assert await ann.close_code() == 1009
