"""Lines from standard input, for an event loop that has other things to do."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from typing import Final

from participants.cli.errors import UsageRefused

MAX_LINE_BYTES: Final = 1 << 20
"""As many as a gateway takes of an envelope, unless it was told otherwise."""
_AT_ONCE: Final = 65536
_AHEAD: Final = 4
"""Chunks read before somebody takes them."""


async def stdin_lines(descriptor: int = 0) -> AsyncGenerator[str | UsageRefused]:
    """
    Yield lines without their ends, until the end of the input; what is no UTF-8 is replaced.

    A line that is too long is passed over, and `UsageRefused` yielded in its place.
    No more is read than somebody takes.

    A thread reads, since an event loop cannot wait for a regular file, and
    making a terminal non-blocking would make it so for everybody who shares it.
    The thread reads the bare descriptor: one that is stuck in `sys.stdin` at the
    end of the program would keep the interpreter from shutting down.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(_AHEAD)

    def read() -> None:
        chunk = b"?"
        while chunk:
            room.acquire()
            try:
                chunk = os.read(descriptor, _AT_ONCE)
            except OSError:
                chunk = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop is closed: nobody listens any more
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    rest = bytearray()
    is_passed_over = False
    while chunk := await chunks.get():
        *lines, last = chunk.split(b"\n")
        for line in lines:
            if not is_passed_over:
                yield _text(rest + line)
            is_passed_over = False
            rest.clear()
        if not is_passed_over:
            rest += last
            if len(rest) > MAX_LINE_BYTES:
                rest.clear()
                is_passed_over = True
                yield _too_long()
        room.release()
    if rest:
        yield _text(rest)


def _text(line: bytearray) -> str | UsageRefused:
    if len(line) > MAX_LINE_BYTES:
        return _too_long()
    return line.decode(errors="replace").removesuffix("\r")


def _too_long() -> UsageRefused:
    return UsageRefused(
        "A line of standard input is too long",
        why=f"It has more than {MAX_LINE_BYTES} bytes, and was passed over",
        do="Say it in several",
    )
