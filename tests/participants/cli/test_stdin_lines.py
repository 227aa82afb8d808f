"""Lines from standard input, read by a thread."""

from __future__ import annotations

import os
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


async def test_lines_come_without_their_ends_the_last_one_without_one_too() -> None:
    lines = [line async for line in stdin_lines(fed("one\r\n\nzwölf\n\xff".encode() + b"\xff\nlast"))]

    assert lines == ["one", "", "zwölf", "ÿ\ufffd", "last"]


async def test_a_line_without_end_is_refused_in_words() -> None:
    with pytest.raises(UsageRefused, match="too long"):
        async for _ in stdin_lines(fed(b"x" * (MAX_LINE_BYTES + 1))):
            pass
