"""Proposals under faults: an agent asks, two approve the same at once, a tool acts; the library decides."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from participants import Participant, ProposalSeen
from participants import Request as ToRequest
from schemas import JsonObject, McpxError
from tests.faults.members import Recorder
from tests.faults.stage import Stage
from tests.history import Acted

_ANSWERED_WITHIN_S = 5.0
_EVER_WITHIN_S = 30.0
_BETWEEN_S = 0.05
_AT_ONCE = 4
"""Proposals that the agent waits for."""


@dataclass(slots=True)
class Tally:
    """What the agent got for its proposals."""

    done: int = 0
    failed: int = 0
    """No answer in time, or told that there will be none."""
    acted: int = 0
    """Calls that the tool carried out."""
    unseen: int = 0
    """Those of them whose proposal it had not heard."""

    def __str__(self) -> str:
        unseen = f" ({self.unseen} without having heard the proposal)" if self.unseen else ""
        return f"proposals {self.done + self.failed}, answered {self.done}, acted on {self.acted}{unseen}"


@asynccontextmanager
async def approving(stage: Stage, topic: str, recorder: Recorder) -> AsyncIterator[Tally]:
    """Let them work together while the block runs; each act of the tool is an event of the history."""
    tally = Tally()
    node = stage.nodes[0]

    def participant(name: str, which: int, *capabilities: str) -> Participant:
        token = node.token(f"{topic}-{name}", topics=(topic,), capabilities=capabilities, ttl_s=8 * 3600)
        return Participant.connect(stage.urls[which], topic, token)

    async def act(request: ToRequest) -> JsonObject:
        tally.acted += 1
        if request.proposal is None:
            # The tool was away when it was proposed: for the library this is a request like others.
            tally.unseen += 1
            return {"content": []}
        event = Acted(
            at=recorder.now, participant=f"{topic}-tool", proposal=request.proposal.id, request=request.id
        )
        recorder.note(event)
        return {"content": []}

    async def approve(me: Participant) -> None:
        async for event in me.events():
            if isinstance(event, ProposalSeen):
                with suppress(McpxError):
                    await me.fulfill(event.proposal)

    async def ask(me: Participant) -> None:
        for number in itertools.count():
            params = {"name": "count", "arguments": {"number": number}}
            try:
                await me.request(f"{topic}-tool", "tools/call", params, timeout=_ANSWERED_WITHIN_S)
                tally.done += 1
            except McpxError:
                tally.failed += 1  # refused, or nobody who could approve it heard of it, or of the approval
            await asyncio.sleep(_BETWEEN_S)

    async with AsyncExitStack() as stack:
        tool = participant("tool", 0, "mcp/response:*")
        tool.on_request(act)
        await stack.enter_async_context(tool)
        working = []
        for name, which in (("ann", 0), ("bob", 1)):
            approver = await stack.enter_async_context(participant(name, which, "mcp/*"))
            working.append(asyncio.create_task(approve(approver)))
        agent = await stack.enter_async_context(participant("agent", 1, "mcp/proposal:*"))
        working += [asyncio.create_task(ask(agent)) for _ in range(_AT_ONCE)]
        try:
            yield tally
            async with asyncio.timeout(_EVER_WITHIN_S):
                while not tally.done:  # noqa: ASYNC110 - a busy machine may have got to none so far
                    await asyncio.sleep(_BETWEEN_S)
        finally:
            for task in working:
                task.cancel()
            ended = await asyncio.gather(*working, return_exceptions=True)
        for end in ended:
            assert isinstance(end, asyncio.CancelledError), f"a participant failed: {end!r}"
