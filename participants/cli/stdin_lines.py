"""Lines from standard input, for an event loop that has other things to do."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from typing import Final

from participants.cli.errors import UsageRefused

MAX_LINE_BYTES: Final = 4 << 20
_AT_ONCE: Final = 65536


async def stdin_lines(descriptor: int = 0) -> AsyncGenerator[str]:
    """
    Yield lines without their ends, until the end of the input; what is no UTF-8 is replaced.

    A thread reads, since an event loop cannot wait for a regular file, and
    making a terminal non-blocking would make it so for everybody who shares it.
    The thread reads the bare descriptor: one that is stuck in `sys.stdin` at the
    end of the program would keep the interpreter from shutting down.

    Raises:
        UsageRefused: a line has more than 4 MiB.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        chunk = b"?"
        while chunk:
            try:
                chunk = os.read(descriptor, _AT_ONCE)
            except OSError:
                chunk = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop is closed: nobody listens any more
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").removesuffix("\r")
        if len(rest) > MAX_LINE_BYTES:
            raise UsageRefused(
                "A line of standard input is too long", why=f"It has more than {MAX_LINE_BYTES} bytes"
            )
    if rest:
        yield rest.decode(errors="replace")
