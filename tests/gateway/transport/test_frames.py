"""Frames in and out of one connection (RFC 6455 5 to 7), cut and mixed as sockets and peers do it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport import compiled, frame_head, frames
from gateway.transport.frames import text_frame
from tests.gateway.transport.wire import (
    BINARY,
    CLOSE,
    CONT,
    FAREWELL,
    PING,
    PONG,
    TEXT,
    Wire,
    client_frame,
    close_frame,
    server_frames,
)

MAX_SIZE = 1 << 20
NOTHING = b""


@pytest.fixture(autouse=True, scope="module", params=["compiled", "in Python"])
def half(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both readers of text frames, with everything below."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "in Python":
            patch.setattr(frames, "_take_texts", None)
        elif compiled.take_texts is None:
            pytest.skip("there was no compiler when this was installed")
        yield


@pytest.fixture
async def wire() -> Wire:
    return Wire(max_size=MAX_SIZE)


# Whole messages

SIZES = [0, 1, 125, 126, 127, 65535, 65536, MAX_SIZE - 1, MAX_SIZE]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x80\xfe\x37"])
async def test_a_whole_text_of_any_length_and_mask_arrives(wire: Wire, size: int, mask: bytes) -> None:
    message = b"x" * size

    wire.read(client_frame(TEXT, message, mask=mask))

    assert wire.receiver.messages == [message]
    assert wire.receiver.told == ["received", "read done"]


@pytest.mark.parametrize("size", SIZES)
def test_the_head_of_a_servers_frame_tells_its_length(size: int) -> None:
    assert frame_head(size) + b"x" * size == text_frame(b"x" * size)
    assert server_frames(text_frame(b"x" * size)) == [(TEXT, b"x" * size)]


async def test_several_frames_in_one_read_are_handed_over_before_the_read_is_done(wire: Wire) -> None:
    wire.read(b"".join(client_frame(TEXT, text) for text in (b"one", b"two", "dr\u00e4i".encode())))

    assert wire.receiver.messages == [b"one", b"two", "dr\u00e4i".encode()]
    assert wire.receiver.told == ["received"] * 3 + ["read done"]


@pytest.mark.parametrize("size", [0, 125, 126, 65536])
async def test_a_text_that_comes_byte_by_byte_arrives(wire: Wire, size: int) -> None:
    stream = client_frame(TEXT, b"y" * size) + client_frame(TEXT, b"next")

    wire.read(*(stream[at : at + 1] for at in range(len(stream))))

    assert wire.receiver.messages == [b"y" * size, b"next"]


async def test_a_large_frame_in_small_pieces_takes_time_by_its_length_alone() -> None:
    large = Wire(max_size=16 << 20)
    stream = client_frame(TEXT, b"z" * (16 << 20))
    before = time.process_time()

    large.read(*(stream[at : at + 64] for at in range(0, len(stream), 64)))

    # 262,144 reads; copying what has come at each of them would move two terabytes.
    assert time.process_time() - before < 20
    assert large.receiver.messages == [b"z" * (16 << 20)]


# Fragments


async def test_fragments_make_one_message_with_control_frames_in_between(wire: Wire) -> None:
    wire.read(
        client_frame(TEXT, b"a", fin=False),
        client_frame(PING, b"1"),
        client_frame(CONT, NOTHING, fin=False),
        client_frame(PONG, b"unasked"),
        client_frame(CONT, b"b", fin=True) + client_frame(TEXT, b"whole"),
    )

    assert wire.receiver.messages == [b"ab", b"whole"]
    assert wire.sent == [(PONG, b"1")]


async def test_a_character_may_be_cut_by_fragments(wire: Wire) -> None:
    first, second = "\u20ac".encode()[:1], "\u20ac".encode()[1:]

    wire.read(client_frame(TEXT, first, fin=False), client_frame(CONT, second))

    assert wire.receiver.messages == ["\u20ac".encode()]


async def test_fragments_that_hold_nothing_take_no_memory(wire: Wire) -> None:
    wire.read(client_frame(TEXT, b"a", fin=False))
    wire.read(client_frame(CONT, NOTHING, fin=False) * 10_000)

    assert isinstance(wire.connection._message, bytearray)
    assert len(wire.connection._message) == 1


@pytest.mark.parametrize("fin", [True, False])
async def test_a_binary_message_is_told_once_and_what_it_held_is_dropped(wire: Wire, fin: bool) -> None:
    wire.read(client_frame(BINARY, b"\x00", fin=fin))
    if not fin:
        wire.read(client_frame(CONT, b"\x01"))
    wire.read(client_frame(TEXT, b"text"))

    assert [told for told in wire.receiver.told if told != "read done"] == ["binary", "received"]
    assert wire.receiver.messages == [b"text"]


async def test_a_ping_is_answered_with_what_it_held(wire: Wire) -> None:
    wire.read(client_frame(PING, b"x" * 125) + client_frame(PING))

    assert wire.sent == [(PONG, b"x" * 125), (PONG, b"")]


# Any cut of any stream

texts = st.text(max_size=200).map(str.encode)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, bytes, list[bytes]]:
    """Draw a message: its frames, with pings in between; its text; what the pings held."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    stream, pings = b"", []
    for number, part in enumerate(parts):
        if draw(st.booleans()):
            pings.append(draw(st.binary(max_size=8)))
            stream += client_frame(PING, pings[-1])
        if draw(st.booleans()):
            stream += client_frame(PONG, b"mcpx")
        mask = draw(st.binary(min_size=4, max_size=4))
        stream += client_frame(TEXT if number == 0 else CONT, part, fin=number == len(parts) - 1, mask=mask)
    return stream, text, pings


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[list[bytes], list[bytes], list[bytes], int | None]:
    """Draw a connection's bytes in pieces; the messages, the pings, and the code it is closed with."""
    drawn = draw(st.lists(messages(), max_size=5))
    stream = b"".join(bytes_ for bytes_, _, _ in drawn)
    code = draw(st.sampled_from([None, 1000, 1001, 3000, 4999]))
    if code is not None:
        stream += close_frame(code, b"bye") + client_frame(TEXT, b"after the close")
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    if draw(st.booleans()):
        cuts = list(range(1, len(stream)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return pieces, [text for _, text, _ in drawn], [ping for _, _, held in drawn for ping in held], code


@given(cut_streams())
async def test_however_a_stream_is_cut_the_same_is_heard_and_answered(
    drawn: tuple[list[bytes], list[bytes], list[bytes], int | None],
) -> None:
    pieces, expected, pings, code = drawn
    wire = Wire()

    wire.read(*pieces)
    wire.lose()

    assert wire.receiver.messages == expected
    assert [data for opcode, data in wire.sent if opcode == PONG] == pings
    assert wire.close_code == code
    assert wire.receiver.codes == [code or 1006]


# Against the rules

BROKEN = {
    "without a mask": client_frame(TEXT, b"hi", mask=None),
    "a long one without a mask": client_frame(TEXT, b"x" * 70_000, mask=None),
    "reserved bit 1": client_frame(TEXT, b"hi", rsv=4),
    "reserved bit 2": client_frame(TEXT, b"hi", rsv=2),
    "reserved bit 3": client_frame(PING, b"hi", rsv=1),
    **{f"opcode {opcode:#x}": client_frame(opcode, b"hi") for opcode in (3, 4, 5, 6, 7, 0xB, 0xD, 0xF)},
    "a ping in fragments": client_frame(PING, b"", fin=False),
    "a close in fragments": client_frame(CLOSE, b"", fin=False),
    "a ping of 126 bytes": client_frame(PING, b"x" * 126),
    "a continuation of nothing": client_frame(CONT, b"hi"),
    "a text within a message": client_frame(TEXT, b"a", fin=False) + client_frame(TEXT, b"b"),
    "a binary within a message": client_frame(TEXT, b"a", fin=False) + client_frame(BINARY, b"b"),
    "a close of one byte": client_frame(CLOSE, b"\x03"),
    **{f"close code {code}": close_frame(code) for code in (0, 999, 1004, 1005, 1006, 1015, 2000, 5000)},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("byte_by_byte", [False, True])
async def test_what_breaks_a_rule_closes_with_1002(wire: Wire, broken: bytes, byte_by_byte: bool) -> None:
    stream = client_frame(TEXT, b"before") + broken + client_frame(TEXT, b"after") * 2

    if byte_by_byte:
        wire.read(*(stream[at : at + 1] for at in range(len(stream))))
    else:
        wire.read(stream)
    wire.lose()

    assert wire.receiver.messages == [b"before"]
    assert wire.close_code == 1002
    assert wire.receiver.codes == [1002]
    assert wire.transport.is_closed


NOT_UTF8 = [b"\xff", b"ok \xc0\xaf", "\ud800".encode(errors="surrogatepass"), "\u20ac".encode()[:2]]


@pytest.mark.parametrize("text", NOT_UTF8)
@pytest.mark.parametrize("in_fragments", [False, True])
async def test_a_text_that_is_no_utf8_closes_with_1007(wire: Wire, text: bytes, in_fragments: bool) -> None:
    if in_fragments:
        wire.read(client_frame(TEXT, text[:1], fin=False), client_frame(CONT, text[1:]))
    else:
        wire.read(client_frame(TEXT, text) + client_frame(TEXT, b"after"))

    assert wire.receiver.messages == []
    assert wire.close_code == 1007
    assert wire.receiver.codes == [1007]
    assert wire.transport.is_closed


async def test_a_close_reason_that_is_no_utf8_closes_with_1007(wire: Wire) -> None:
    wire.read(close_frame(1000, b"\xff"))

    assert wire.close_code == 1007


def too_large() -> Iterator[tuple[str, list[bytes]]]:
    whole = client_frame(TEXT, b"x" * 1001)
    yield "whole", [whole]
    yield "byte by byte", [whole[at : at + 1] for at in range(len(whole))]
    yield "binary", [client_frame(BINARY, b"x" * 1001)]
    yield (
        "by fragments",
        [client_frame(TEXT, b"x" * 600, fin=False) + client_frame(CONT, b"x" * 401) + client_frame(TEXT)],
    )
    yield (
        "by fragments in pieces",
        [client_frame(TEXT, b"x" * 600, fin=False), client_frame(CONT, b"x" * 401, fin=False), whole],
    )


@pytest.mark.parametrize(
    "pieces", [pieces for _, pieces in too_large()], ids=[name for name, _ in too_large()]
)
async def test_a_message_over_the_limit_gets_the_farewell_and_then_1009_once(pieces: list[bytes]) -> None:
    wire = Wire(max_size=1000)

    wire.read(client_frame(TEXT, b"x" * 1000), *pieces)

    assert wire.sent[0] == (TEXT, FAREWELL)
    assert [opcode for opcode, _ in wire.sent] == [TEXT, CLOSE]
    assert wire.close_code == 1009
    assert wire.receiver.messages == [b"x" * 1000]
    assert wire.receiver.codes == [1009]


@pytest.mark.parametrize("cut", [1, 2, 5, 9])
async def test_a_frame_over_the_limit_is_refused_for_its_head_however_that_is_cut(cut: int) -> None:
    wire = Wire(max_size=1000)
    head = client_frame(TEXT, b"x" * (1 << 16))[:10]

    wire.read(head[:cut], head[cut:])

    assert wire.close_code == 1009


# Closing


async def test_a_peers_close_is_answered_with_its_code_and_ends_the_connection(wire: Wire) -> None:
    wire.read(close_frame(3001, b"enough"))

    assert wire.sent == [(CLOSE, (3001).to_bytes(2, "big") + b"enough")]
    assert wire.receiver.codes == [3001]
    assert wire.transport.is_closed
    wire.lose()
    assert wire.receiver.codes == [3001]
    assert wire.owner.connections == set()


async def test_a_peers_close_without_a_code_is_1005(wire: Wire) -> None:
    wire.read(client_frame(CLOSE))

    assert wire.sent == [(CLOSE, b"")]
    assert wire.receiver.codes == [1005]


async def test_our_close_waits_for_the_peers_and_hears_nothing_more(wire: Wire) -> None:
    wire.connection.close(4401, "Come again")
    wire.connection.close(1000, "")
    wire.connection.write(text_frame(b"too late"))
    wire.read(client_frame(TEXT, b"said meanwhile"), client_frame(BINARY), client_frame(PING, b"late"))

    assert wire.sent == [(CLOSE, (4401).to_bytes(2, "big") + b"Come again")]
    assert not wire.transport.is_closing()
    assert wire.receiver.codes == []

    wire.read(close_frame(4401))

    assert wire.receiver.codes == [4401]
    assert wire.transport.is_closed
    assert wire.receiver.messages == []
    assert "binary" not in wire.receiver.told
    wire.lose()


async def test_our_close_amid_the_peers_message_drops_that(wire: Wire) -> None:
    wire.read(client_frame(TEXT, b"half ", fin=False))
    wire.connection.close(1012, "")
    wire.read(client_frame(CONT, b"whole"), close_frame(1012))

    assert wire.receiver.messages == []
    assert wire.receiver.codes == [1012]


@pytest.mark.parametrize("end", ["the peer goes", "nothing comes"])
async def test_a_connection_without_a_peers_close_ends_with_our_code_or_1006(wire: Wire, end: str) -> None:
    if end == "the peer goes":
        wire.connection.close(4403, "")
    wire.connection.eof_received()  # the transport then closes itself
    wire.lose()
    wire.lose()

    assert wire.receiver.codes == [4403 if end == "the peer goes" else 1006]


async def test_a_peer_that_does_not_answer_the_close_is_dropped_after_the_grace(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_END_GRACE_S", 0.0)
    aborted = asyncio.Event()
    monkeypatch.setattr(wire.transport, "abort", aborted.set)

    wire.connection.close(1000, "")

    async with asyncio.timeout(30):
        await aborted.wait()


async def test_what_is_written_after_a_violation_goes_nowhere(wire: Wire) -> None:
    wire.read(client_frame(CONT, b"hi"))
    wire.connection.write(text_frame(b"late"))
    wire.connection.ping(1.0)
    wire.connection.close(1000, "")

    assert wire.close_code == 1002


async def test_a_lost_connection_takes_writes_in_silence(wire: Wire) -> None:
    wire.transport.close()
    wire.lose()

    wire.connection.write(text_frame(b"late"))
    wire.connection.close(1000, "")

    assert wire.transport.written == []


async def test_uvicorns_shutdown_closes_with_1012_at_once(wire: Wire) -> None:
    wire.connection.shutdown()

    assert wire.close_code == 1012
    assert wire.transport.is_closed
    wire.lose()
    assert wire.receiver.codes == [1012]


async def test_a_receiver_that_closes_hears_nothing_more_of_the_same_read(wire: Wire) -> None:
    heard: list[bytes] = []

    def close(messages: Sequence[bytes]) -> None:
        heard.extend(messages)
        wire.connection.close(4000, "")

    wire.receiver.received = close  # type: ignore[method-assign]  # a receiver that acts

    wire.read(client_frame(TEXT, b"one") + client_frame(PING) + client_frame(TEXT, b"two"))

    assert heard == [b"one"]
    assert wire.close_code == 4000


@pytest.mark.parametrize("behind", [b"\xff", b"two"])
async def test_what_comes_behind_a_message_that_closes_does_not_count_whatever_it_is(
    wire: Wire, behind: bytes
) -> None:
    wire.receiver.received = lambda _: wire.connection.close(4000, "")  # type: ignore[assignment]  # acts

    wire.read(client_frame(TEXT, b"one") + client_frame(TEXT, behind) + client_frame(PING))

    assert wire.close_code == 4000
    assert wire.receiver.codes == [], "the peer's close is still to come"
    wire.read(close_frame(4000))
    assert wire.receiver.codes == [4000]
    wire.lose()


# A socket that takes nothing


async def test_what_a_full_socket_does_not_take_waits_and_keeps_its_order(wire: Wire) -> None:
    frames = [text_frame(str(number).encode()) for number in range(6)]
    wire.connection.write(frames[0])
    wire.connection.pause_writing()
    wire.connection.write(frames[1])
    wire.connection.write(frames[2])
    assert wire.transport.written == frames[:1]
    assert wire.connection.waiting_bytes == len(frames[1] + frames[2])
    held = wire.connection._held
    assert held is not None
    assert held[0] is frames[1]

    wire.connection.resume_writing()
    wire.connection.write(frames[3])
    wire.connection.pause_writing()
    wire.connection.write(frames[4])
    wire.connection.pause_writing()
    wire.connection.write(frames[5])
    wire.connection.resume_writing()

    assert b"".join(wire.transport.written) == b"".join(frames)
    assert wire.connection.waiting_bytes == 0


async def test_a_socket_that_is_full_again_at_once_loses_nothing(wire: Wire) -> None:
    wire.connection.pause_writing()
    wire.connection.write(text_frame(b"1"))
    write = wire.transport.write

    def fill(data: bytes | bytearray | memoryview) -> None:
        write(data)
        wire.connection.pause_writing()

    wire.transport.write = fill  # type: ignore[method-assign]  # a socket that is full after each write

    wire.connection.resume_writing()
    wire.connection.write(text_frame(b"2"))
    assert wire.sent == [(TEXT, b"1")]
    wire.connection.resume_writing()

    assert wire.sent == [(TEXT, b"1"), (TEXT, b"2")]


async def test_more_than_may_wait_is_told_once_and_not_from_within_a_write() -> None:
    wire = Wire(max_waiting=10)
    wire.connection.pause_writing()
    for _ in range(3):
        wire.connection.write(text_frame(b"12345678"))
    assert wire.receiver.overflows == 0

    await asyncio.sleep(0)
    assert wire.receiver.overflows == 1
    wire.connection.write(text_frame(b"12345678"))
    await asyncio.sleep(0)

    assert wire.receiver.overflows == 1


async def test_a_connection_that_ends_before_is_not_told_of_its_overflow() -> None:
    wire = Wire(max_waiting=0)
    wire.connection.pause_writing()
    wire.connection.write(text_frame(b"x"))
    wire.lose()
    await asyncio.sleep(0)

    assert wire.receiver.overflows == 0


async def test_a_slow_peer_gets_the_close_frame_in_place_of_what_waited(wire: Wire) -> None:
    wire.connection.pause_writing()
    wire.connection.write(text_frame(b"dropped"))
    wire.connection.drop_waiting()
    wire.connection.close(4413, "Too slow")
    wire.connection.write(text_frame(b"after"))
    assert wire.sent == []

    wire.connection.resume_writing()

    assert wire.sent == [(CLOSE, (4413).to_bytes(2, "big") + b"Too slow")]
    wire.lose()


async def test_a_long_frame_is_written_whole_though_its_head_fills_the_socket(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = wire.transport.write

    def fill(data: bytes) -> None:
        write(data)
        wire.connection.pause_writing()

    monkeypatch.setattr(wire.transport, "write", fill)
    wire.connection.write_long(frame_head(5), b"hello")
    wire.connection.write_long(frame_head(5), b"later")
    wire.connection.drop_waiting()
    wire.connection.close(4413, "")
    wire.connection.resume_writing()

    assert wire.sent == [(TEXT, b"hello"), (CLOSE, (4413).to_bytes(2, "big"))]
    wire.lose()


@pytest.mark.parametrize("end", ["violation", "close", "shutdown"])
async def test_an_end_while_the_socket_is_full_waits_for_what_was_written_before(
    wire: Wire, end: str
) -> None:
    wire.connection.write(text_frame(b"1"))
    wire.connection.pause_writing()
    wire.connection.write(text_frame(b"2"))
    match end:
        case "violation":
            wire.read(client_frame(CONT))
        case "close":
            wire.read(close_frame(1000))
        case _:
            wire.connection.shutdown()
    assert not wire.transport.is_closing()
    assert wire.transport.is_reading_paused

    wire.connection.resume_writing()

    assert [opcode for opcode, _ in wire.sent] == [TEXT, TEXT, CLOSE]
    assert wire.transport.is_closed
    wire.lose()


async def test_how_long_nothing_has_left_is_told_from_when_it_was_first_asked(wire: Wire) -> None:
    assert wire.connection.waiting_since(1.0) is None
    wire.connection.pause_writing()
    wire.connection.write(text_frame(b"x"))
    wire.transport.buffered = 100

    assert wire.connection.waiting_since(2.0) == 2.0
    assert wire.connection.waiting_since(3.0) == 2.0
    wire.transport.buffered = 50
    assert wire.connection.waiting_since(4.0) == 4.0
    wire.transport.buffered = 0
    wire.connection.resume_writing()
    assert wire.connection.waiting_since(5.0) is None


# What came early


async def test_what_came_early_is_taken_before_what_is_read_next(wire: Wire) -> None:
    stream = b"".join(client_frame(TEXT, str(number).encode()) for number in range(4))
    wire.connection.begin_with(stream[:11])
    assert wire.receiver.messages == []

    wire.read(stream[11:])
    await asyncio.sleep(0)

    assert wire.receiver.messages == [b"0", b"1", b"2", b"3"]


async def test_what_came_early_is_taken_without_more(wire: Wire) -> None:
    wire.connection.begin_with(client_frame(TEXT, b"early") + client_frame(TEXT, b"half")[:3])
    await asyncio.sleep(0)

    assert wire.receiver.messages == [b"early"]
    wire.read(client_frame(TEXT, b"half")[3:])
    assert wire.receiver.messages == [b"early", b"half"]
