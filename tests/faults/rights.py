"""Rights that an admin gives and takes under faults, while their owner uses them without pause."""

from __future__ import annotations

import asyncio
import itertools
from typing import Final

import httpx

from tests.faults.members import Member, Recorder
from tests.faults.stage import Stage
from tests.history import Answered, Asked

_BETWEEN_S: Final = 0.1
_USED_EVERY_S: Final = 0.03


class Changing:
    """
    One right after another is given to a member and taken again, by one node and then the other.

    Each has a name of its own, so that a call of unknown outcome says nothing of the next right.
    """

    def __init__(self, stage: Stage, recorder: Recorder, member: Member) -> None:
        self._stage, self._recorder, self._member = stage, recorder, member
        self._kind = ""
        self._is_over = False
        self.asked = self.answered = 0
        self._working = [asyncio.create_task(self._change()), asyncio.create_task(self._use())]

    def __str__(self) -> str:
        return f"changes of rights {self.asked}, answered {self.answered}"

    async def finish(self) -> None:
        """Let the call under way end, and change nothing more."""
        self._is_over = True
        await asyncio.gather(*self._working)

    async def stop(self) -> None:
        """End at once."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _change(self) -> None:
        for number in itertools.count():
            self._kind = f"x-fault/{number}"
            for act in ("add", "remove"):
                if self._is_over:
                    return
                await self._call(act, self._kind, number % 2)
                await asyncio.sleep(_BETWEEN_S)

    async def _call(self, act: str, pattern: str, node: int) -> None:
        member, call = self._member, f"{act} {pattern} {self._member.topic}"
        asked = Asked(
            at=self._recorder.now,
            call=call,
            act=act,
            participant=member.id,
            topic=member.topic,
            pattern=pattern,
        )
        self._recorder.note(asked)
        self.asked += 1
        path = f"/admin/participants/{member.id}/capabilities?topic={member.topic}"
        try:
            answer = await self._stage.admin(
                self._stage.nodes[node], path, {act: [pattern], "reason": "fault"}
            )
        except httpx.HTTPError:
            return  # it may be in force or not
        if answer.status_code == 200:
            self._recorder.note(Answered(at=self._recorder.now, call=call))
            self.answered += 1
        else:
            assert answer.status_code == 503, answer.text

    async def _use(self) -> None:
        for number in itertools.count():
            if self._is_over:
                return
            # Whoever is refused without pause for ten seconds is sent away (4429).
            await self._member.say(kind=self._kind if number % 4 and self._kind else "chat")
            await asyncio.sleep(_USED_EVERY_S)


async def revoke(stage: Stage, recorder: Recorder, jti: str, node: int) -> None:
    """
    Take back a token, by one node.

    Raises:
        AssertionError: the call does not succeed.
    """
    call = f"revoke {jti}"
    recorder.note(Asked(at=recorder.now, call=call, act="revoke", jti=jti))
    answer = await stage.admin(stage.nodes[node], "/admin/revocations", {"jti": jti, "reason": "fault"})
    assert answer.status_code == 200, answer.text
    recorder.note(Answered(at=recorder.now, call=call))
