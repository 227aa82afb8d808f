"""What happens to nodes: X7 to X11."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.scale import Scale
from tests.faults.stage import Stage
from tests.faults.talk import PATIENCE_S, Outcome, Talk, talking
from tests.gateway_process import GatewayProcess

CLOSED_WITHIN_S = 10.0
BACK_WITHIN_S = 15.0
LEFT_WITHIN_S = 15.0
CROWD_EVERY_S = 1.0
"""How often each talker of a crowd says something: this one process reads it for everybody."""


@asynccontextmanager
async def crowded(stage: Stage, scale: Scale) -> AsyncIterator[Talk]:
    """Have a crowd on the first node, and in each topic two on the other."""
    async with talking(
        stage,
        members=4 * scale.crowd_topics,
        crowd=scale.crowd - 2 * scale.crowd_topics,
        topics=scale.crowd_topics,
        every_s=CROWD_EVERY_S,
    ) as talk:
        yield talk


async def x7_node_told_to_end(stage: Stage, scale: Scale) -> Outcome:
    """SIGTERM under a crowd: not ready first, then everybody is sent elsewhere, a few at a time."""
    leaving, staying = stage.nodes
    async with crowded(stage, scale) as talk:
        sent_away = talk.of_node(0)
        unready = asyncio.create_task(_first_unready(stage, talk))
        began = talk.recorder.now
        ending = asyncio.create_task(leaving.terminate())
        await talk.until(lambda: all(member.codes for member in sent_away), PATIENCE_S)
        closes = sorted(event.at - began for event in talk.closings())
        unready_at = await unready - began
        status = await ending
        await talk.wait_all_in(BACK_WITHIN_S + scale.slack_s)
        took = await talk.wait_flowing(BACK_WITHIN_S + scale.slack_s)
        back = max(member.welcomed_at[-1] for member in sent_away) - began
        await talk.settle()
        outcome = talk.outcome(
            f"SIGTERM under {len(sent_away)} members",
            took,
            f"not ready after {unready_at:.2f} s, closed from {closes[0]:.2f} to {closes[-1]:.2f} s, "
            f"all back {back:.1f} s after the signal, exit {status}",
        )
    await stage.mend()
    assert status == 0, f"exit status {status}"
    assert unready_at < closes[0], f"/readyz said no after the first close: {outcome}"
    assert closes[-1] <= CLOSED_WITHIN_S + scale.slack_s, f"not all were closed in time: {outcome}"
    assert outcome.codes == {"1012": len(sent_away)}, f"everybody on the node, with 1012: {outcome}"
    assert _share_at_once(closes) <= scale.at_once, f"too many closes at once: {outcome}"
    assert await stage.status(staying) == 200
    return outcome


async def _first_unready(stage: Stage, talk: Talk) -> float:
    await stage.wait_status(stage.nodes[0], 503, PATIENCE_S)
    return talk.recorder.now


def _share_at_once(closes: list[float]) -> float:
    """The largest share of closes that fell into one tenth of their whole span."""
    span = (closes[-1] - closes[0]) or 1.0
    tenths = [int(10 * (close - closes[0]) / span) for close in closes]
    return max(tenths.count(tenth) for tenth in set(tenths)) / len(closes)


async def x8_node_killed(stage: Stage, scale: Scale) -> Outcome:
    """One of two nodes dies: the others see its members leave, and those come back spread out."""
    async with crowded(stage, scale) as talk:
        orphans, others = talk.of_node(0), talk.of_node(1)
        # One who does not come back, in each topic: its leave must be heard.
        lost = {member.topic: member for member in orphans}
        for member in lost.values():
            member.stays_away = True
            talk.members.remove(member)
        began = talk.recorder.now
        await stage.nodes[0].kill()
        left = await talk.until(
            lambda: not any(lost[member.topic].id in member.roster for member in others),
            LEFT_WITHIN_S + scale.slack_s + 5,
        )
        remaining = [member for member in orphans if member in talk.members]
        await talk.wait_all_in(BACK_WITHIN_S + scale.slack_s)
        back = sorted(member.welcomed_at[-1] - began for member in remaining)
        took = await talk.wait_flowing(PATIENCE_S)
        await talk.settle()
        outcome = talk.outcome(
            f"SIGKILL of one node of two, with {len(orphans)} members",
            took,
            f"leaves heard after {left:.1f} s, {len(back)} back from {back[0]:.2f} to {back[-1]:.2f} s",
        )
    await stage.mend()
    assert left <= LEFT_WITHIN_S + scale.slack_s, f"leaves were heard too late: {outcome}"
    assert back[-1] <= BACK_WITHIN_S + scale.slack_s, f"not everybody was back in time: {outcome}"
    assert back[-1] - back[0] >= 0.2, f"they came back all at once: {outcome}"
    assert set(outcome.codes) == {"cut"}, f"only those of the dead node: {outcome}"
    return outcome


async def x9_loop_blocked(stage: Stage, scale: Scale) -> Outcome:
    """A node does not run for two seconds."""
    node = stage.nodes[0]
    async with talking(stage) as talk:
        before, told = await _late_turns(stage, node), len(_lags_told(node))
        node.pause()
        await asyncio.sleep(2)
        node.resume()
        took = await talk.wait_flowing(PATIENCE_S)
        async with asyncio.timeout(PATIENCE_S):  # it is measured at a turn of the clockwork
            while await _late_turns(stage, node) == before or len(_lags_told(node)) == told:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await talk.settle()
        lag = max(_lags_told(node)[told:])
        outcome = talk.outcome("event loop blocked for 2 s", took, f"loop.lagged {lag} s")
    assert 1.0 <= lag <= 3.0 + scale.slack_s, f"{outcome}"
    assert not outcome.codes, f"nobody had to go: {outcome}"
    return outcome


async def _late_turns(stage: Stage, node: GatewayProcess) -> float:
    """How many turns of the node's clockwork came more than a second late, by its metrics."""
    all_turns = await stage.metric(node, "mcpx_loop_lag_seconds_count")
    return all_turns - await stage.metric(node, "mcpx_loop_lag_seconds_bucket", le="1.0")


def _lags_told(node: GatewayProcess) -> list[float]:
    return [event["seconds"] for event in node.log_events() if event.get("event") == "loop.lagged"]


async def x10_wall_clock_jumps(stage: Stage, scale: Scale) -> Outcome:
    """The first node's wall clock jumps an hour ahead, and an hour back."""
    node, clock = stage.nodes[0], stage.clock
    try:
        async with talking(stage) as talk:
            topic = talk.members[0].topic
            short = talk.add(
                f"{topic}-short",
                topic,
                0,
                token=node.token(
                    f"{topic}-short", topics=(topic,), capabilities=("chat", "mcp/*"), ttl_s=1800
                ),
                may_expire=True,
                alone=True,
            )
            await talk.wait_all_in()
            long_lived = len(talk.members) - 1

            clock.set(3600)
            await talk.until(lambda: short.codes == [4401], 5 + scale.slack_s)  # over by this node's clock
            talk.members.remove(short)
            assert await _enters(stage, topic, ttl_s=1800) == 401, "and nobody comes in with such a token"
            assert await _enters(stage, topic, ttl_s=7200) == 426
            await talk.wait_flowing(PATIENCE_S)

            clock.set(-3600)
            assert await _enters(stage, topic) == 401, "issued an hour from now"
            clock.set(-20)
            assert await _enters(stage, topic) == 426, "within the leeway of 30 s"
            clock.set(-3600)
            # Heartbeats, pings and leases go by the other clock: a lease's time passes and nobody goes.
            await asyncio.sleep(scale.lease_s)
            took = await talk.wait_flowing(PATIENCE_S)
            clock.set(0)
            assert len([member for member in talk.members if member.is_in]) == long_lived
            await talk.settle()
            outcome = talk.outcome(
                "wall clock of one node +1 h and -1 h",
                took,
                "a token of 30 min ended (4401), the others stayed",
            )
    finally:
        clock.set(0)
    assert outcome.codes == {"4401": 1}, f"nobody else had to go: {outcome}"
    return outcome


async def _enters(stage: Stage, topic: str, ttl_s: int = 3600) -> int | None:
    """Knock at the first node with a token of now, and return its answer; 426 means that one may come in."""
    node = stage.nodes[0]
    token = node.token("knocks", topics=(topic,), ttl_s=ttl_s)
    answer = await stage.http.get(
        f"{node.http_url}/ws?topic={topic}", headers={"Authorization": f"Bearer {token}"}
    )
    return answer.status_code


async def x11_descriptors_used_up(stage: Stage, scale: Scale) -> Outcome:
    """The node may open no more files: whoever is in stays in; others come in when there is room again."""
    node = stage.nodes[0]
    async with talking(stage) as talk:
        topic = talk.members[0].topic
        _, most = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
        room = _open_files(node.pid) + 4
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (room, most))
        try:
            crowd = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(30)]
            used = _cpu_s(node.pid)
            began = time.monotonic()
            late = [talk.add(f"{topic}-late{number}", topic, 0, alone=True) for number in range(3)]
            await talk.wait_flowing(PATIENCE_S, [member for member in talk.members if member not in late])
            await asyncio.sleep(2)
            share = (_cpu_s(node.pid) - used) / (time.monotonic() - began)
            assert not any(member.is_in for member in late), "there was no room for them"
        finally:
            resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (most, most))
        for _, writer in crowd:
            writer.transport.abort()
        began = time.monotonic()
        await talk.wait_all_in(PATIENCE_S)
        took = time.monotonic() - began
        await talk.wait_flowing(PATIENCE_S)
        await talk.settle()
        outcome = talk.outcome(
            "file descriptors used up",
            took,
            f"{100 * share:.0f} % of a core meanwhile, late comers in {took:.1f} s after there was room",
        )
    assert share < 0.6, f"accepting does not back off: {outcome}"
    assert not outcome.codes, f"nobody had to go: {outcome}"
    return outcome


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
