"""What a sitting of `mcpx join` does with its lines, whoever is at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from participants.cli.errors import UsageRefused
from participants.cli.join_session import Session
from participants.cli.voices import JsonVoice
from participants.client import Participant

LINE = '{"call": "files", "method": "tools/list"}'


class Waiting:
    """A participant whose requests are answered when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.asking = asyncio.Event()
        self.answers = asyncio.Semaphore(0)

    async def request(self, *_: Any, **__: Any) -> None:
        self.asked += 1
        self.asking.set()
        await self.answers.acquire()
        raise UsageRefused("answered")

    async def wait_asked(self, times: int) -> None:
        async with asyncio.timeout(30):
            while self.asked < times:
                self.asking.clear()
                await self.asking.wait()


async def test_so_many_commands_are_under_way_and_the_next_line_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = 0

    async def lines() -> AsyncGenerator[str | UsageRefused]:
        nonlocal taken
        for _ in range(8):
            taken += 1
            yield LINE

    monkeypatch.setattr("participants.cli.join_session.MOST_UNDER_WAY", 3)
    monkeypatch.setattr("participants.cli.join_session.stdin_lines", lines)
    me = Waiting()
    reading = asyncio.create_task(Session(cast("Participant", me), JsonVoice())._read())

    await me.wait_asked(3)
    assert (me.asked, taken) == (3, 4)
    me.answers.release()
    await me.wait_asked(4)
    assert (me.asked, taken) == (4, 5)
    for _ in range(7):
        me.answers.release()
    async with asyncio.timeout(30):
        await reading

    assert me.asked == 8
    assert capsys.readouterr().out.count('"failed"') == 8


async def test_a_line_that_is_too_long_is_answered_and_the_next_one_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def lines() -> AsyncGenerator[str | UsageRefused]:
        yield UsageRefused("A line of standard input is too long")
        yield LINE

    monkeypatch.setattr("participants.cli.join_session.stdin_lines", lines)
    me = Waiting()
    me.answers.release()

    async with asyncio.timeout(30):
        await Session(cast("Participant", me), JsonVoice())._read()

    said = capsys.readouterr().out.splitlines()
    assert ["too long" in line for line in said] == [True, False]
    assert me.asked == 1
