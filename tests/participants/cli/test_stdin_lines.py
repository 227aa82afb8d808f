"""Lines from standard input, read by a thread."""

from __future__ import annotations

import asyncio
import os
import select
import threading

import pytest

from participants.cli.errors import UsageRefused
from participants.cli.stdin_lines import MAX_LINE_BYTES, stdin_lines


def fed(data: bytes) -> int:
    """A descriptor from which `data` can be read."""
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)

    threading.Thread(target=feed, daemon=True).start()
    return reading


def wait_full(pipe: int) -> None:
    """Wait until nobody has taken anything out of a full pipe for a while."""
    room = select.poll()
    room.register(pipe, select.POLLOUT)
    quiet = 0
    for _ in range(300):
        quiet = 0 if room.poll(10) else quiet + 1
        if quiet == 20:
            return


async def test_lines_come_without_their_ends_the_last_one_without_one_too() -> None:
    lines = [line async for line in stdin_lines(fed("one\r\n\nzwölf\n\xff".encode() + b"\xff\nlast"))]

    assert lines == ["one", "", "zwölf", "ÿ\ufffd", "last"]


@pytest.mark.parametrize("end", [b"\n", b""])
async def test_a_line_that_is_too_long_is_refused_in_words_and_the_next_one_read(end: bytes) -> None:
    long = b"x" * (3 * MAX_LINE_BYTES)

    first, refused, *rest = [line async for line in stdin_lines(fed(b"first\n" + long + b"\nnext" + end))]

    assert (first, rest) == ("first", ["next"])
    assert isinstance(refused, UsageRefused)
    assert str(MAX_LINE_BYTES) in refused.why


async def test_a_line_may_be_as_long_as_an_envelope() -> None:
    (line,) = [line async for line in stdin_lines(fed(b"x" * MAX_LINE_BYTES + b"\n"))]

    assert line == "x" * MAX_LINE_BYTES


async def test_a_line_without_end_is_refused_while_it_lasts_and_never_kept() -> None:
    reading, writing = os.pipe()
    lines = stdin_lines(reading)
    stop = threading.Event()

    def feed() -> None:
        with os.fdopen(writing, "wb") as pipe:
            while not stop.is_set():
                pipe.write(b"x" * 65536)

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    try:
        async with asyncio.timeout(30):
            assert isinstance(await anext(lines), UsageRefused)
    finally:
        stop.set()
    async with asyncio.timeout(30):
        assert [line async for line in lines] == []
    feeding.join(30)


async def test_no_more_is_read_than_somebody_takes() -> None:
    reading, writing = os.pipe()
    lines = stdin_lines(reading)
    chunk = b"y" * 65535 + b"\n"
    written = 0

    def feed() -> None:
        nonlocal written
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            while written < 100:
                pipe.write(chunk)
                written += 1

    threading.Thread(target=feed, daemon=True).start()
    async with asyncio.timeout(30):
        await anext(lines)
        await asyncio.to_thread(wait_full, writing)

    assert written < 20
    async with asyncio.timeout(30):
        assert len([line async for line in lines]) == 99
