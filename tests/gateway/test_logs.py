"""A log that nobody reads: lines are lost, and counted, and nothing waits for them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from gateway.logs import Lines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 8192)
    yield reading, writing
    os.close(reading)
    os.close(writing)


SAYING: Final = """
import sys, structlog
from gateway.logs import configure_logs
configure_logs("json", "info")
log = structlog.get_logger()
for number in range(1000):
    log.info("line.said", number=number)
print("said", flush=True)
sys.stdin.readline()
log.info("line.said", number=1000)
"""


async def test_a_log_that_nobody_reads_keeps_nobody_waiting_and_later_says_what_was_lost(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    saying = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SAYING),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=writing,
    )
    try:
        async with asyncio.timeout(60):
            assert saying.stdout is not None
            assert await saying.stdout.readline() == b"said\n"
            kept = [json.loads(line)["number"] for line in os.read(reading, 1 << 16).splitlines()]
            await saying.communicate(b"\n")
        told, last = (json.loads(line) for line in os.read(reading, 1 << 16).splitlines())
    finally:
        if saying.returncode is None:
            saying.kill()
            await saying.wait()

    assert kept == list(range(len(kept)))
    assert (told["event"], told["lines"]) == ("log.lines_lost", 1000 - len(kept))
    assert last["number"] == 1000


def test_a_long_line_is_whole_where_there_is_room(pipe: tuple[int, int]) -> None:
    reading, writing = pipe

    Lines(writing).msg("y" * 6000)

    assert os.read(reading, 1 << 16) == b"y" * 6000 + b"\n"


def test_a_closed_log_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    lines = Lines(writing)

    lines.msg("nobody hears this")

    os.close(writing)
    lines.msg("nor this")
