"""The compiled half of the transport: as Python does it, and nothing lost or mixed up on its way out."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from gateway.fanout import send_one_by_one
from gateway.transport import compiled
from gateway.transport.frames import FramedConnection, frame_head, join_frames, text_frame
from gateway.transport.keepalive import Keepalive
from gateway.transport.writers import PlainWriter
from tests.gateway.transport.wire import BINARY, PING, TEXT, Owned, Recorder, client_frame

if compiled.Writer is None or compiled.take_texts is None or compiled.frames_of is None:
    pytest.skip("there was no compiler when this was installed", allow_module_level=True)

Writer, take_texts, frames_of = compiled.Writer, compiled.take_texts, compiled.frames_of
MAX_SIZE = 70_000
CUT = [b"cut", b"x" * 126, b"x" * 65_536]
Sockets = tuple[socket.socket, socket.socket]


# Reading


@st.composite
def runs(draw: st.DrawFn) -> tuple[bytes, list[bytes], int]:
    """Something before, whole text frames, and what ends their run: all of it, the texts, and its place."""
    draw_mask = st.binary(min_size=4, max_size=4)
    sizes = st.sampled_from([0, 1, 7, 8, 9, 125, 126, 127, 65_535, 65_536, MAX_SIZE])
    characters = st.characters(exclude_categories=["Cs"])
    texts = [
        text.encode()
        for text in draw(st.lists(st.text(characters, max_size=40) | sizes.map(lambda size: "x" * size)))
    ]
    run = b"".join(client_frame(TEXT, text, mask=draw(draw_mask)) for text in texts)
    whole = client_frame(
        TEXT, draw(st.sampled_from([b"cut", b"x" * 126, b"x" * 65_536])), mask=draw(draw_mask)
    )
    end = draw(
        st.sampled_from(
            [
                b"",
                whole[: draw(st.integers(0, len(whole) - 1))],
                client_frame(BINARY, b"other"),
                client_frame(PING),
                client_frame(TEXT, b"a fragment", fin=False),
                client_frame(TEXT, b"\xff\xfe", mask=draw(draw_mask)),
                client_frame(TEXT, b"caf\xc3", mask=draw(draw_mask)),
                client_frame(TEXT, b"\xed\xa0\x80 is half a surrogate pair"),
                client_frame(TEXT, b"x" * (MAX_SIZE + 1)),
                bytes((0x81, 0x7F)) + b"\xff" * 12 + b"a size beyond all bounds",
                text_frame(b"not masked"),
            ]
        )
    )
    return run + end, texts, len(run)


@given(runs(), st.binary(max_size=9), st.sampled_from([bytes, bytearray]))
def test_a_run_of_whole_texts_is_taken_up_to_the_first_other_thing(
    given_run: tuple[bytes, list[bytes], int], before: bytes, kind: Callable[[bytes], bytes | bytearray]
) -> None:
    data, texts, end = given_run
    taken: list[bytes] = [b"taken before"]

    assert take_texts(kind(before + data), len(before), MAX_SIZE, taken) == len(before) + end
    assert taken[1:] == texts


@given(st.binary(max_size=300), st.integers(0, 40))
def test_whatever_comes_nothing_is_taken_beyond_its_end(data: bytes, position: int) -> None:
    taken: list[bytes] = []
    if position > len(data):
        with pytest.raises(ValueError, match="outside"):
            take_texts(data, position, MAX_SIZE, taken)
        return
    end = take_texts(data, position, MAX_SIZE, taken)
    assert position <= end <= len(data)
    assert sum(map(len, taken)) <= end - position


@pytest.mark.parametrize(
    "arguments",
    [(), (b"", 0, 9), (b"", 0, 9, ()), ("text", 0, 9, []), (b"", 1 << 80, 9, []), (b"", -1, 9, [])],
)
def test_arguments_of_another_kind_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        take_texts(*arguments)  # type: ignore[arg-type]  # that is what is tried


# Writing


@pytest.fixture
def pair() -> Iterator[Sockets]:
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    with ours, theirs:
        yield ours, theirs


def test_a_socket_that_takes_everything_needs_nobody_else(pair: Sockets) -> None:
    others: list[bytes] = []
    Writer(pair[0].fileno(), others.append)(b"all of it")

    assert pair[1].recv(99) == b"all of it"
    assert not others


def test_what_a_socket_does_not_take_is_left_to_somebody_else(
    pair: Sockets,
) -> None:
    others: list[bytes] = []
    writer, large = Writer(pair[0].fileno(), others.append), Random(1).randbytes(1 << 22)
    writer(large)
    pair[1].settimeout(0)
    taken = bytearray()
    while len(taken) + len(others[0]) < len(large):
        taken += pair[1].recv(1 << 20)
    assert bytes(taken) + others[0] == large

    writer(large)  # fills it again
    writer(b"more")
    assert others[-1] == b"more"


def test_a_socket_whose_other_end_has_gone_ends_nobodys_process(
    pair: Sockets,
) -> None:
    others: list[bytes] = []
    pair[1].close()
    Writer(pair[0].fileno(), others.append)(b"too late")
    assert others == [b"too late"]


@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_writer_gives_all_to_who_stands_between_until_nobody_does(pair: Sockets, is_compiled: bool) -> None:
    send, kept = pair[0].sendall, list[bytes]()
    writer = Writer(pair[0].fileno(), send) if is_compiled else PlainWriter(send)

    def keep_one(frames: bytes) -> None:
        kept.append(frames)
        writer.divert(None)

    for number in range(3):
        writer.divert(keep_one)
        writer(b"kept %d" % number, "what else there is does not matter")
        writer(b"sent %d;" % number)
    assert kept == [b"kept 0", b"kept 1", b"kept 2"]
    assert pair[1].recv(99) == b"sent 0;sent 1;sent 2;"

    writer.divert(kept.append)
    writer.close()
    writer(b"the end")
    assert kept[-1] == b"the end"


@given(st.lists(st.binary(max_size=9) | st.sampled_from([0, 125, 126, 65_535, 65_536]).map(bytes)))
def test_frames_are_made_as_python_makes_them(texts: list[bytes]) -> None:
    assert frames_of(texts) == join_frames(texts) == b"".join(map(text_frame, texts))


def test_frames_are_made_of_a_list_of_bytes_and_nothing_else() -> None:
    for wrong in ((b"a",), b"a", [bytearray(b"a")], ["a"], [b"a", None]):
        with pytest.raises(TypeError):
            frames_of(wrong)  # type: ignore[arg-type]  # that is what is tried


def test_a_closed_writer_does_not_write_to_who_has_the_number_now(
    pair: Sockets,
) -> None:
    others: list[bytes] = []
    writer = Writer(number := pair[0].fileno(), others.append)
    writer.close()
    stranger, end = socket.socketpair()
    with stranger, end:
        os.dup2(stranger.fileno(), number)
        writer(b"not for you")
        end.settimeout(0)
        with pytest.raises(BlockingIOError):
            end.recv(99)
    assert others == [b"not for you"]


def test_what_is_no_bytes_is_somebody_elses_and_so_are_errors(
    pair: Sockets,
) -> None:
    def fail(_: bytes) -> None:
        raise RuntimeError("not mine")

    writer = Writer(pair[0].fileno(), fail)
    with pytest.raises(RuntimeError, match="not mine"):
        writer(bytearray(b"x"))  # type: ignore[arg-type]  # that is what is tried
    with pytest.raises(TypeError):
        writer()  # type: ignore[call-arg]  # as above
    with pytest.raises(TypeError):
        writer(frames=b"x")  # type: ignore[call-arg]  # that is what is tried


def test_a_writer_is_collected_with_who_holds_it(pair: Sockets) -> None:
    class Holder:
        def otherwise(self, frames: bytes) -> None: ...

    holder = Holder()
    holder.writer = Writer(pair[0].fileno(), holder.otherwise)  # type: ignore[attr-defined]  # a cycle
    holder.writer.divert(holder.otherwise)  # type: ignore[attr-defined]  # a second
    holder.writer.divert(None)  # type: ignore[attr-defined]  # and cut again
    holder.kept = Writer(-1, print)  # type: ignore[attr-defined]  # a third
    holder.kept.divert(holder.otherwise)  # type: ignore[attr-defined]  # as above
    gone = weakref.ref(holder)
    before = sys.getrefcount(None)
    for _ in range(1000):
        holder.writer(b"")  # type: ignore[attr-defined]  # as above
    assert abs(sys.getrefcount(None) - before) < 900, "no reference is lost or kept by a call"
    del holder
    gc.collect()
    assert gone() is None


# Both ways together: past the transport, and through it


@pytest.mark.parametrize("seed", range(6))
def test_frames_reach_a_slow_reader_in_order_whichever_way_they_go(seed: int) -> None:
    async def main() -> None:
        draw, loop = Random(seed), asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        theirs.settimeout(0)
        with theirs:
            transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
            connection = FramedConnection(
                transport, Recorder(), Owned(), Keepalive(0, 0), max_size=MAX_SIZE, max_waiting=1 << 40
            )
            connection.take_over()
            assert isinstance(connection.write, Writer)
            sent, read = bytearray(), bytearray()
            for number in range(400):
                text = b"%d " % number + b"x" * draw.choice([0, 5, 500, 5_000, 50_000])
                sent += text_frame(text)
                if draw.random() < 0.2:
                    connection.write_long(frame_head(len(text)), text)
                elif draw.random() < 0.2 and connection._held is None:
                    transport.write(text_frame(text))
                else:
                    connection.write(text_frame(text))
                while draw.random() < 0.6:
                    read += (
                        await loop.sock_recv(theirs, draw.choice([1, 1_000, 100_000]))
                        if len(read) < len(sent)
                        else b""
                    )
            async with asyncio.timeout(30):
                while len(read) < len(sent):
                    read += await loop.sock_recv(theirs, 1 << 20)
            assert read == sent
            assert connection.waiting_bytes == 0
            connection.abort()
            connection.write(b"after the end")
            assert await loop.sock_recv(theirs, 99) == b""

    uvloop.run(main())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("before", [30_000, 3_000_000])
def test_what_the_transport_holds_already_goes_first_and_the_bound_holds_behind_it(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    is_compiled: bool,  # a parameter
    before: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        loop, receiver = asyncio.get_running_loop(), Recorder()
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        theirs.settimeout(0)
        with theirs:
            transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
            transport.write(b"H" * before)
            assert transport.get_write_buffer_size()
            connection = FramedConnection(
                transport, receiver, Owned(), Keepalive(0, 0), max_size=MAX_SIZE, max_waiting=9_999
            )
            connection.take_over()
            connection.write(b"W" * 9_999)
            await asyncio.sleep(0)
            assert receiver.overflows == 0
            connection.write(b"more")
            await asyncio.sleep(0)
            assert receiver.overflows == 1

            expected, read = b"H" * before + b"W" * 9_999 + b"more", bytearray()
            async with asyncio.timeout(30):
                while len(read) < len(expected):
                    read += await loop.sock_recv(theirs, 1 << 20)
            assert read == expected
            connection.abort()

    if not is_compiled:
        monkeypatch.setattr(compiled, "Writer", None)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def test_a_fault_at_the_end_leaves_no_way_to_a_socket_that_is_closed() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        receiver = Recorder()

        def fail(code: int) -> None:
            raise RuntimeError(f"a bug, at {code}")

        receiver.ended = fail  # type: ignore[method-assign]  # a fault of ours
        with theirs:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, ours)
            connection = FramedConnection(
                transport, receiver, Owned(), Keepalive(0, 0), max_size=MAX_SIZE, max_waiting=9_999
            )
            with pytest.raises(RuntimeError, match="a bug"):
                connection.connection_lost(None)
            connection.write(b"not for whoever has the number then")
            theirs.settimeout(0)
            with pytest.raises(BlockingIOError):
                theirs.recv(99)
            transport.abort()

    uvloop.run(main())


# One after another


class Sink:
    """Somebody with an outbox, who notes what it is sent and may do more than that."""

    def __init__(
        self, name: str, noted: list[tuple[str, bytes, Sequence[bytes]]], also: Callable[[], object]
    ) -> None:
        self.name, self._noted, self._also = name, noted, also
        self.outbox = self

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None:
        self._noted.append((self.name, frames, envelopes))
        self._also()


EACH: Sequence[Any] = (compiled.send_each, send_one_by_one)


@pytest.mark.parametrize("send_each", EACH)
@pytest.mark.parametrize("kind", [list, tuple])
def test_each_gets_the_same_in_order(send_each: Callable[..., None], kind: type[Any]) -> None:
    noted: list[tuple[str, bytes, Sequence[bytes]]] = []
    envelopes = [b"1", b"2"]
    send_each(kind(Sink(name, noted, lambda: None) for name in "abc"), b"frames", envelopes)

    assert [name for name, _, _ in noted] == ["a", "b", "c"]
    assert all(frames == b"frames" and given is envelopes for _, frames, given in noted)


@pytest.mark.parametrize("send_each", EACH)
def test_what_one_raises_is_told_and_the_next_get_nothing(send_each: Callable[..., None]) -> None:
    noted: list[tuple[str, bytes, Sequence[bytes]]] = []

    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        send_each([Sink("a", noted, lambda: None), Sink("b", noted, fail), Sink("c", noted, fail)], b"", ())
    with pytest.raises(AttributeError):
        send_each([Sink("d", noted, lambda: None), object()], b"", ())

    assert [name for name, _, _ in noted] == ["a", "b", "d"]


@pytest.mark.parametrize("send_each", EACH)
def test_a_list_may_shrink_while_each_is_sent_to(send_each: Callable[..., None]) -> None:
    noted: list[tuple[str, bytes, Sequence[bytes]]] = []
    members: list[Sink] = []
    members += [Sink(name, noted, members.clear) for name in "abc"]
    send_each(members, b"", ())

    assert [name for name, _, _ in noted] == ["a"]
    with pytest.raises(TypeError):
        send_each(None, b"", ())


def test_nothing_is_kept_of_what_each_was_sent() -> None:
    assert compiled.send_each is not None
    frames, envelopes, noted = bytes(100), [b"1"], list[Any]()
    sink = Sink("a", noted, noted.clear)
    before = sys.getrefcount(frames), sys.getrefcount(envelopes), sys.getrefcount(sink)
    for _ in range(100):
        compiled.send_each((sink, sink), frames, envelopes)

    assert (sys.getrefcount(frames), sys.getrefcount(envelopes), sys.getrefcount(sink)) == before
