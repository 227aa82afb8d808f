"""
What participants rest on hangs, raises or talks nonsense: X14's models, rules and servers.

Each stands in a topic of its own, beside members who must notice nothing. What
waits for the one that hangs is bounded, what it would have decided is left
undecided, and what is asked of it again and again is asked no more for a while.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from participants import Outcome as Answer
from participants import Participant, ProposalSeen, Request, RequestFailed, RequestTimeout
from participants.approver import Approver, RuleBook, RuleStore
from participants.bridge import Backoff, Bridge, ChildCommand, child_environment
from router_agent.agent import RouterAgent
from router_agent.core import Policy, Router
from router_agent.core.limits import Breaker, State
from router_agent.core.planning import Monolithic
from router_agent.core.strategies import Cascade
from router_agent.generating import GgufWriter
from router_agent.models.decoding import CannotDecode
from router_agent.thinking import Thinker
from tests.faults.members import Recorder
from tests.faults.scale import Scale
from tests.faults.stage import Stage
from tests.faults.talk import PATIENCE_S, Outcome, Talk, talking
from tests.history import Acted
from tests.router_agent.core.tools_at_hand import GATE, WEATHER

UNNOTICED_S: Final = 10.0
"""What has nothing to do with the one that hangs takes no longer than this, on a busy machine too."""
SLACK_S: Final = 10.0
"""Beyond a bound, for a machine that is busy."""
HANGS_S: Final = 60.0
ALL: Final = ("mcp/*", "chat")


class Guests:
    """Participants of one topic, over both nodes in turn."""

    def __init__(self, stage: Stage, stack: AsyncExitStack) -> None:
        self._stage, self._stack = stage, stack
        self.topic = stage.new_topic()
        self._turn = 0

    def made(self, name: str, *capabilities: str) -> Participant:
        """A participant that has not connected yet."""
        node = self._stage.nodes[0]
        token = node.token(name, topics=(self.topic,), capabilities=capabilities or ALL, ttl_s=8 * 3600)
        self._turn += 1
        return Participant.connect(self._stage.urls[self._turn % 2], self.topic, token)

    async def joined(self, name: str, *capabilities: str) -> Participant:
        """One that stays until the fault is over."""
        return await self._stack.enter_async_context(self.made(name, *capabilities))


async def _within(seconds: float, work: Any, what: str) -> Any:
    """Await something that must not take longer."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds + SLACK_S):
            result = await work
    except TimeoutError:
        raise AssertionError(f"{what} took more than {seconds + SLACK_S:g} s") from None
    took = time.monotonic() - began
    assert took <= seconds + SLACK_S, f"{what} took {took:.1f} s"
    return result


async def _call(me: Participant, target: str, tool: str, /, **arguments: Any) -> Answer:
    params = {"name": tool, "arguments": arguments}
    return await me.request(target, "tools/call", params, timeout=HANGS_S, expires_in=None)


# A model


class Model:
    """A model as `write_calls` uses it, which is as it is told to be; well, it has nothing to say."""

    def __init__(self) -> None:
        self.how, self.asked = "well", 0
        self.let_go = threading.Event()
        self.dialect = SimpleNamespace(prompt=lambda *_: "prompt", marks=SimpleNamespace(opening="["))

    def tokens(self, text: str) -> list[int]:
        self.asked += text == "prompt"
        match self.how:
            case "hangs":
                self.let_go.wait(HANGS_S)
            case "raises":
                raise OSError("the model's file is gone")
            case "talks nonsense":
                return [1]
        raise CannotDecode("nothing to say")

    def begin(self, _: Sequence[int]) -> None:
        """Read nothing."""

    def logits(self) -> str:
        return "likely"


async def x14_model_fails(stage: Stage, scale: Scale) -> Outcome:
    """The router's model hangs, raises, talks nonsense: words decide in its place, and it is left alone."""
    model, breaker = Model(), Breaker(failures=3, pause=scale.patience_s + 1)
    writer = GgufWriter(model, breaker=breaker, deadline=scale.patience_s)
    thinker = Thinker(
        Router(Cascade(Monolithic(GATE), writer, act=2.0), GATE.floor, Policy(act=0.5, propose=0.2))
    )
    cities = iter(("Oslo", "Bergen", "Rome", "Paris", "Lima", "Cairo", "Delhi", "Kyoto", "Quito", "Turin"))
    async with talking(stage) as talk, AsyncExitStack() as stack:
        guests = Guests(stage, stack)
        weather, ann = await guests.joined("weather"), await guests.joined("ann")
        weather.on_request(_serve_weather)
        await stack.enter_async_context(_routing(guests, thinker))

        async def ask() -> None:
            city = next(cities)
            intent = f"get the current weather of {city}"
            told = (await _call(ann, "router", "route_intent", intent=intent)).result["structuredContent"]
            assert told["calls"][0]["arguments"]["city"] == city, f"words decide: {told}"

        await _within(scale.patience_s, ask(), "a route with a model that is well")
        assert model.asked == 1

        model.how = "hangs"
        asking = [asyncio.create_task(ask()) for _ in range(3)]
        await _go_on(talk)
        await _within(scale.patience_s, asyncio.gather(*asking), "routes while the model hangs")
        assert breaker.state(time.monotonic()) is not State.CLOSED
        await _within(0, ask(), "a route while the model is left alone")
        assert model.asked == 2, "nobody else waits for one that hangs"

        model.let_go.set()
        for how in ("raises", "talks nonsense"):
            model.how = how
            asked = model.asked
            await _half_open(breaker)
            await _within(scale.patience_s, ask(), f"a route while the model {how}")
            assert model.asked == asked + 1, "one attempt"
            assert breaker.state(time.monotonic()) is not State.CLOSED
        model.how = "well"
        await _half_open(breaker)
        await _within(scale.patience_s, ask(), "the attempt that goes well")
        assert breaker.state(time.monotonic()) is State.CLOSED
        took = await _go_on(talk)
        await talk.settle()
        outcome = talk.outcome("model hangs, raises, talks nonsense", took, f"asked {model.asked} times")
    assert not outcome.codes, f"nobody had to go: {outcome}"
    return outcome


async def _half_open(breaker: Breaker) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while breaker.state(time.monotonic()) is not State.HALF_OPEN:  # noqa: ASYNC110 - time alone opens it
            await asyncio.sleep(0.05)


async def _serve_weather(request: Request) -> dict[str, Any]:
    if request.method == "tools/list":
        about = {"name": WEATHER.name, "description": WEATHER.description, "inputSchema": WEATHER.schema}
        return {"tools": [{**about, "annotations": {"readOnlyHint": True}}]}
    return {"content": []}


@asynccontextmanager
async def _routing(guests: Guests, thinker: Thinker) -> AsyncIterator[None]:
    """Have a router called `router` in the topic."""
    me = guests.made("router")
    agent = RouterAgent(me, thinker, today=lambda: date(2026, 3, 4))
    async with me:
        running = asyncio.create_task(agent.run())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await agent.wait_offered("weather")
            yield
        finally:
            running.cancel()
            await asyncio.wait({running})
            thinker.close()


async def _go_on(talk: Talk) -> float:
    """See that members notice nothing."""
    took = await talk.wait_flowing(PATIENCE_S)
    assert took <= UNNOTICED_S, f"the others were held up for {took:.2f} s"
    return took


# Rules


class Disk(RuleStore):
    """Where rules lie, on a disk that is as it is told to be."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.let_go.set()
        self.error: Exception | None = None
        self._book = RuleBook()

    def load(self) -> RuleBook:
        return self._book.copy()

    def save(self, book: RuleBook) -> None:
        self.let_go.wait(HANGS_S)
        if self.error is not None:
            raise self.error
        self._book = book


class Tool:
    """A server of one tool, whose list may hang; what it does is part of the history."""

    def __init__(self, me: Participant, recorder: Recorder) -> None:
        self._me, self._recorder = me, recorder
        self.lists = asyncio.Event()
        self.lists.set()
        me.on_request(self._answer, concurrency=64)

    async def _answer(self, request: Request) -> dict[str, Any]:
        if request.method == "tools/list":
            await self.lists.wait()
            return {"tools": [{"name": "count", "inputSchema": {"type": "object"}}]}
        if request.proposal is not None:
            done = Acted(
                at=self._recorder.now,
                participant=self._me.id,
                proposal=request.proposal.id,
                request=request.id,
            )
            self._recorder.note(done)
        return {"content": []}


_AT_ONCE: Final = 12


async def x14_rules_stall(stage: Stage, scale: Scale) -> Outcome:
    """What rules rest on hangs or fails: nothing is approved meanwhile, nothing lost, and people decide."""
    disk = Disk()
    async with talking(stage) as talk, AsyncExitStack() as stack:
        guests = Guests(stage, stack)
        tool = Tool(await guests.joined("tool"), talk.recorder)
        me, ann = await guests.joined("approver"), await guests.joined("ann")
        approver = Approver(me, disk, clock=time.time, patience=scale.patience_s)
        stack.push_async_callback(approver.close)
        me.on_request(approver.answer)
        await stack.enter_async_context(_hearing(me, approver.hear))
        agent = await guests.joined("agent", "mcp/proposal:*")
        seen: list[ProposalSeen] = []
        await stack.enter_async_context(
            _hearing(ann, lambda event: seen.append(event) if isinstance(event, ProposalSeen) else None)
        )
        rule = {"effect": "allow", "proposer": "agent", "target": "tool", "tool": "count"}
        made = await _call(ann, "approver", "rules_add", **rule)
        assert not made.result.get("isError"), made.result

        async def by_rule() -> None:
            answer = await _within(scale.patience_s, _call(agent, "tool", "count"), "what a rule allows")
            assert answer.fulfilled_by == "approver", answer.fulfilled_by

        await by_rule()
        told = []
        for what, begin, end in _stalls(disk, tool):
            begin()
            seen.clear()
            counts = approver.book.counts
            before = counts.failed + counts.asked
            asking = [asyncio.create_task(_call(agent, "tool", "count", number=n)) for n in range(_AT_ONCE)]
            await _go_on(talk)
            await _within(UNNOTICED_S, _call(ann, "tool", "count"), "a call that needs no rule")
            left = talk.until(
                lambda: counts.failed + counts.asked >= before + _AT_ONCE,  # noqa: B023 - awaited below
                PATIENCE_S,
            )
            # So many for one target at a time: these, then those that waited.
            await _within(2 * scale.patience_s, left, f"leaving proposals to people ({what})")
            assert not any(each.done() for each in asking), f"{what}: nobody has approved that"
            assert len({each.proposal.id for each in seen}) == _AT_ONCE, f"{what}: each is there to decide"
            for each in seen:
                await ann.fulfill(each.proposal)
            answers = await _within(UNNOTICED_S, asyncio.gather(*asking), "what a person allows")
            assert {answer.fulfilled_by for answer in answers} == {"ann"}
            end()
            await by_rule()
            told.append(what)
        took = await _go_on(talk)
        await talk.settle()
        outcome = talk.outcome(f"rules: {', '.join(told)}", took, f"{len(told) * _AT_ONCE} left to a person")
    assert not outcome.codes, f"nobody had to go: {outcome}"
    return outcome


def _stalls(disk: Disk, tool: Tool) -> Sequence[tuple[str, Callable[[], None], Callable[[], None]]]:
    """What goes wrong, how that begins, and how it ends."""

    def fail(error: Exception | None) -> None:
        disk.error = error

    return (
        ("the disk hangs", disk.let_go.clear, disk.let_go.set),
        ("the disk fails", lambda: fail(OSError(28, "No space left on device")), lambda: fail(None)),
        ("a server does not list its tools", tool.lists.clear, tool.lists.set),
    )


@asynccontextmanager
async def _hearing(me: Participant, hear: Callable[[Any], None]) -> AsyncIterator[None]:
    """Give every event of a participant to somebody."""
    events = me.events()

    async def listen() -> None:
        async for event in events:
            hear(event)

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


# A server behind a bridge


async def x14_server_hangs(stage: Stage, scale: Scale) -> Outcome:
    """A bridged server hangs, babbles, dies, and does not come up: callers hear in time, others go on."""
    directory = stage.new_directory("server")
    mute = directory / "mute"
    program = (sys.executable, str(Path(__file__).with_name("failing_server.py")), str(mute))
    bridge = Bridge(ChildCommand(program, child_environment(os.environ)), backoff=Backoff(first_s=0.1))
    async with talking(stage) as talk, AsyncExitStack() as stack:
        guests = Guests(stage, stack)
        await stack.enter_async_context(bridge.running())
        server = guests.made("server", "mcp/response:*", "mcp/request:notifications/*", "chat")
        await stack.enter_async_context(bridge.serving(server))
        await stack.enter_async_context(server)
        ann, bob = await guests.joined("ann"), await guests.joined("bob")

        async def refused(tool: str, timeout: float = HANGS_S) -> str:
            params = {"name": tool, "arguments": {}}
            try:
                await ann.request("server", "tools/call", params, timeout=timeout)
            except (RequestTimeout, RequestFailed) as error:
                return type(error).__name__
            raise AssertionError(f"{tool} was answered")

        await _call(bob, "server", "count")
        hung = [asyncio.create_task(refused("hang", scale.patience_s)) for _ in range(_AT_ONCE)]
        await _go_on(talk)
        await _within(UNNOTICED_S, _call(bob, "server", "count"), "a call beside those that hang")
        ends = await _within(scale.patience_s, asyncio.gather(*hung), "calls that hang")
        assert set(ends) == {"RequestTimeout"}
        await _within(
            scale.patience_s, refused("babble", scale.patience_s), "a call that is answered with junk"
        )
        await _within(UNNOTICED_S, _call(bob, "server", "count"), "a call after that")

        end = await _within(0, refused("die"), "a call that the server does not live to answer")
        assert end == "RequestFailed"
        await _back(bob)
        mute.touch()  # and now it starts, and says nothing
        assert await refused("die") == "RequestFailed"
        await talk.until(lambda: bridge.upkeep.session is None, PATIENCE_S)
        began = time.monotonic()
        assert await refused("count") == "RequestFailed", "it is told that the server is being started"
        assert time.monotonic() - began <= UNNOTICED_S
        await _go_on(talk)
        mute.unlink()
        back = await _back(bob)
        took = await _go_on(talk)
        await talk.settle()
        facts = f"{_AT_ONCE} calls given up in time, back {back:.2f} s after it speaks again"
        outcome = talk.outcome("bridged server hangs, babbles, dies, starts mute", took, facts)
    assert not outcome.codes, f"nobody had to go: {outcome}"
    return outcome


async def _back(me: Participant) -> float:
    """Wait until the server answers again; return how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await me.request("server", "tools/call", {"name": "count", "arguments": {}}, timeout=1.0)
            except (RequestFailed, RequestTimeout):
                await asyncio.sleep(0.05)
            else:
                return time.monotonic() - began
