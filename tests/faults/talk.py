"""Members who talk while a fault is injected, and what their history says at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import orjson

from tests.faults.approvals import Tally, approving
from tests.faults.members import Member, Recorder
from tests.faults.rights import Changing
from tests.faults.stage import Stage
from tests.gateway_process import ROOT
from tests.history import Closed, Heard, Quiet, Sent, check, to_line

PATIENCE_S = 30.0
"""Longer than anything that has no bound of its own should take."""


@dataclass(slots=True)
class Outcome:
    """What came of one fault."""

    injected: str
    sent: int = 0
    accepted: int = 0
    """Heard by somebody: they are in the topic's order."""
    refused: int = 0
    """Of which the sender was told."""
    cut: int = 0
    """Of which the sender knows nothing, and was told that: its connection was closed."""
    lost: int = 0
    recovery_s: float | None = None
    codes: dict[str, int] = field(default_factory=dict)
    """How connections ended."""
    facts: str = ""
    """What else was measured."""

    def __str__(self) -> str:
        recovery = "-" if self.recovery_s is None else f"{self.recovery_s:.2f} s"
        codes = " ".join(f"{code}x{count}" for code, count in sorted(self.codes.items()))
        return (
            f"{self.injected}: sent {self.sent}, accepted {self.accepted}, refused {self.refused}, "
            f"cut {self.cut}, lost={self.lost}, recovery {recovery}"
            + (f", closed {codes}" if codes else "")
            + (f", {self.facts}" if self.facts else "")
        )

    def __add__(self, other: Outcome) -> Outcome:
        recoveries = [each for each in (self.recovery_s, other.recovery_s) if each is not None]
        return Outcome(
            f"{self.injected}; {other.injected}",
            self.sent + other.sent,
            self.accepted + other.accepted,
            self.refused + other.refused,
            self.cut + other.cut,
            self.lost + other.lost,
            max(recoveries, default=None),
            dict(Counter(self.codes) + Counter(other.codes)),
            "; ".join(facts for facts in (self.facts, other.facts) if facts),
        )


class Talk:
    """The members of some topics."""

    def __init__(self, stage: Stage, every_s: float) -> None:
        self.stage, self._every_s = stage, every_s
        self.recorder = Recorder()
        self.members: list[Member] = []
        self.talkers: list[Member] = []
        self._talking: list[asyncio.Task[None]] = []
        self.approvals: Tally | None = None
        self.rights: Changing | None = None

    def add(
        self,
        participant: str,
        topic: str,
        node: int,
        *,
        token: str | None = None,
        jti: str = "",
        may_expire: bool = False,
        alone: bool = False,
    ) -> Member:
        """Let a member come in by one node; when that fails, by the other, unless `alone`."""
        urls = self.stage.urls[node:] + self.stage.urls[:node]
        if token is None:
            token = self.stage.nodes[0].token(
                participant, topics=(topic,), capabilities=("mcp/*", "chat"), ttl_s=8 * 3600, jti=jti or None
            )
        urls = urls[:1] if alone else urls
        member = Member(self.recorder, participant, topic, urls, token, jti=jti, may_expire=may_expire)
        self.members.append(member)
        member.start()
        return member

    async def leave(self, member: Member) -> None:
        """Let a member go for good."""
        await member.leave()
        self.members.remove(member)

    def begin(self, talkers: Sequence[Member]) -> None:
        """Let these talk until the end."""
        for talker in talkers:
            self.talkers.append(talker)
            self._talking.append(asyncio.create_task(talker.talk(self._every_s)))

    async def wait_all_in(self, within_s: float = PATIENCE_S) -> None:
        """Wait until everybody has been welcomed."""
        async with asyncio.timeout(within_s):
            for member in self.members:
                await member.wait_in(within_s)

    def of_node(self, node: int) -> list[Member]:
        """Those whose present connection leads to a node."""
        return [member for member in self.members if member.url == self.stage.urls[node]]

    async def wait_flowing(self, within_s: float, members: Sequence[Member] | None = None) -> float:
        """
        Wait until everybody hears something that each talker says from now on; return how long that took.

        Only those who are in count, if `members` names them all; else everybody has to come in.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        concerned = list(self.members if members is None else members)
        talkers = [talker for talker in self.talkers if talker in concerned]
        marks: dict[str, list[str]] = {talker.id: [] for talker in talkers}
        audience = {
            talker.id: [member for member in concerned if member.topic == talker.topic] for talker in talkers
        }
        async with asyncio.timeout(within_s):
            while not all(self._is_heard(marks[talker.id], audience[talker.id]) for talker in talkers):
                for talker in talkers:
                    if self._is_heard(marks[talker.id], audience[talker.id]):
                        continue
                    id = str(uuid4())
                    for member in audience[talker.id]:
                        member.awaited.add(id)
                    if await talker.say("mark", id=id) is not None:
                        marks[talker.id].append(id)
                await asyncio.sleep(0.03)
        took = loop.time() - began
        for member in concerned:
            member.awaited.clear()
            member.heard.clear()
        return took

    @staticmethod
    def _is_heard(ids: Sequence[str], members: Sequence[Member]) -> bool:
        return any(all(id in member.heard for member in members) for id in ids[-64:])

    async def wait_refused(self, within_s: float = PATIENCE_S, code: str = "topic_unavailable") -> None:
        """Wait until each talker has been refused something that it sends from now on."""
        start, talkers = len(self.recorder.events), {talker.id for talker in self.talkers}
        await self.until(lambda: self.refusals(code, start) >= talkers, within_s)

    def refusals(self, code: str, start: int = 0) -> set[str]:
        """Who has been refused with a code since an event."""
        told = f'"error":"{code}"'
        return {
            event.connection.split("#")[0]
            for event in self.recorder.events[start:]
            if isinstance(event, Heard) and told in event.text
        }

    def closings(self) -> list[Closed]:
        """How connections ended so far."""
        return [event for event in self.recorder.events if isinstance(event, Closed)]

    async def until(self, holds: Callable[[], bool], within_s: float) -> float:
        """Wait until something holds, and return how long that took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110 - it may be about any of a thousand members
                await asyncio.sleep(0.02)
        return loop.time() - began

    # The end

    async def stop(self) -> None:
        """Let everybody go; their history has been judged."""
        if self.rights is not None:
            await self.rights.stop()
        await asyncio.gather(*self._cancelled(), return_exceptions=True)
        await asyncio.gather(*(member.stop() for member in self.members))

    def _cancelled(self) -> list[asyncio.Task[None]]:
        talking, self._talking = self._talking, []
        for each in talking:
            each.cancel()
        return talking

    async def wait_rosters(self, within_s: float) -> float:
        """Wait until everybody believes those to be there who are; return how long that took."""

        def agree() -> bool:
            there: dict[str, set[str]] = {}
            for member in self.members:
                if member.is_in:
                    there.setdefault(member.topic, set()).add(member.id)
            return all(
                member.roster == there[member.topic] - {member.id} for member in self.members if member.is_in
            )

        try:
            return await self.until(agree, within_s)
        except TimeoutError:
            wrong = [f"{member.id}: {sorted(member.roster)[:8]}" for member in self.members if member.is_in]
            raise AssertionError(f"rosters are not right after {within_s} s: {wrong[:6]}") from None

    async def settle(self, *, roster_within_s: float = PATIENCE_S) -> float:
        """Stop talking, and let everything come to rest; return how long the rosters took."""
        if self.rights is not None:
            await self.rights.finish()
        await asyncio.gather(*self._cancelled(), return_exceptions=True)
        await self.until(lambda: not any(member.pending for member in self.members), PATIENCE_S)
        took = await self.wait_rosters(roster_within_s)
        await self.wait_flowing(PATIENCE_S, [member for member in self.members if member.is_in])
        await self.until(lambda: not any(member.pending for member in self.members), PATIENCE_S)
        await self._wait_last_heard()
        await self.until(lambda: all(member.is_in for member in self.members), PATIENCE_S)
        self.recorder.note(Quiet(at=self.recorder.now))
        return took

    async def _wait_last_heard(self) -> None:
        """Have something said last in each topic, and wait until all heard that, and so all before it."""
        last: dict[str, str] = {}
        for talker in self.talkers:
            if talker in self.members and talker.is_in and talker.topic not in last:
                last[talker.topic] = id = str(uuid4())
                for member in self.members:
                    if member.topic == talker.topic:
                        member.awaited.add(id)
                await talker.say("last", id=id)
        waiting = [member for member in self.members if member.is_in and member.topic in last]
        await self.until(
            lambda: all(last[one.topic] in one.heard for one in waiting if one.is_in), PATIENCE_S
        )

    def outcome(self, injected: str, recovery_s: float | None = None, facts: str = "") -> Outcome:
        """Judge the history, and count."""
        events = self.recorder.events
        sent = {event.text: event.id for event in events if isinstance(event, Sent)}
        heard = {event.text for event in events if isinstance(event, Heard)}
        accepted = {id for text, id in sent.items() if text in heard}
        refused = {
            orjson.loads(text).get("correlation_id") for text in heard if '"kind":"system/error"' in text
        } & set(sent.values())
        breaches = check(events)
        outcome = Outcome(
            injected,
            sent=len(sent),
            accepted=len(accepted),
            refused=len(refused),
            cut=len(set(sent.values()) - accepted - refused),
            lost=sum("missed" in breach or "never learned" in breach for breach in breaches),
            recovery_s=recovery_s,
            codes=dict(Counter(str(event.code or "cut") for event in events if isinstance(event, Closed))),
            facts=", ".join(fact for fact in (facts, *self._beside()) if fact),
        )
        if breaches:
            self.keep(ROOT / ".cache" / "faults", injected)
            raise AssertionError(f"{outcome}\n" + "\n".join(breaches[:20]))
        return outcome

    def _beside(self) -> list[str]:
        return [str(each) for each in (self.approvals, self.rights) if each is not None]

    def keep(self, directory: Path, name: str) -> None:
        """Write the history down; `python -m tests.history FILE` judges it."""
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / ("".join(c if c.isalnum() else "-" for c in name)[:60] + ".jsonl")
        file.write_text("".join(to_line(event) + "\n" for event in self.recorder.events))


@asynccontextmanager
async def talking(
    stage: Stage,
    *,
    members: int = 6,
    topics: int = 1,
    talkers: int = 1,
    every_s: float = 0.02,
    is_busy: bool = False,
    crowd: int = 0,
) -> AsyncIterator[Talk]:
    """
    Have so many members talk, divided among topics, and evenly between the nodes.

    `talkers` of each topic's members on each node talk; the others listen.
    `crowd` so many more come in by the first node.
    `is_busy` has participants propose, approve and act in a topic beside them, and
    an admin give and take rights of one who uses them.
    """
    talk = Talk(stage, every_s)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(talk.stop)
        if is_busy:
            beside = approving(stage, f"{stage.new_topic()}-approvals", talk.recorder)
            talk.approvals = await stack.enter_async_context(beside)
        for _ in range(topics):
            topic = stage.new_topic()
            for number in range(members // topics):
                talk.add(f"{topic}-p{number}", topic, number % 2)
            for number in range(crowd // topics):
                talk.add(f"{topic}-c{number}", topic, 0)
            await talk.wait_all_in(60)
        for node in (0, 1):
            by_topic: dict[str, list[Member]] = {}
            for member in talk.of_node(node):
                by_topic.setdefault(member.topic, []).append(member)
            for those in by_topic.values():
                talk.begin(those[:talkers])
        if is_busy:
            talk.rights = Changing(stage, talk.recorder, talk.members[-1])
        await talk.wait_flowing(PATIENCE_S)
        yield talk
