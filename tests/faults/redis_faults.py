"""What happens to Redis and to the links to it: X1 to X4, X6, X13."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import reduce
from operator import add

import redis.asyncio

from tests.faults.rights import revoke
from tests.faults.scale import Scale
from tests.faults.stage import Stage, staged
from tests.faults.starting import refused_start
from tests.faults.talk import PATIENCE_S, Outcome, talking

EX_UNAVAILABLE = 69
RESUMED_WITHIN_S = 2.0
NOTICED_WITHIN_S = 5.0
ROSTER_WITHIN_S = 10.0
AGREED_WITHIN_S = 30.0


async def x1_redis_killed(stage: Stage, scale: Scale) -> Outcome:
    """Redis dies and comes back; it has written down all that it said yes to."""
    outcomes = []
    for outage in scale.outages_s:
        async with talking(stage, is_busy=True) as talk:
            stage.redis.kill()
            noticed_s = NOTICED_WITHIN_S + scale.slack_s
            unready = [stage.wait_status(node, 503, noticed_s) for node in stage.nodes]
            await asyncio.gather(asyncio.sleep(outage), talk.wait_refused(), *unready)
            stage.redis.start()
            took = await talk.wait_flowing(PATIENCE_S)
            assert took <= RESUMED_WITHIN_S + scale.slack_s, f"resumed only {took:.2f} s after Redis was back"
            for node in stage.nodes:
                assert await stage.status(node) == 200
            roster = await talk.settle(roster_within_s=ROSTER_WITHIN_S + scale.slack_s)
            outcome = talk.outcome(f"Redis killed, back after {outage:g} s", took, f"roster {roster:.2f} s")
        assert not outcome.codes, f"nobody had to go: {outcome}"
        outcomes.append(outcome)
    return reduce(add, outcomes)


async def x1_forgetful_redis_killed(stage: Stage, scale: Scale) -> Outcome:
    """Redis dies and has written nothing down: everybody is told, and may come back."""
    directory = stage.new_directory("forgetful")
    async with staged(directory, durable=False) as forgetful, talking(forgetful) as talk:
        connections = {member.connection for member in talk.members}
        forgetful.redis.kill()
        await talk.wait_refused()
        forgetful.redis.start()
        began = time.monotonic()
        await talk.until(lambda: all(member.codes for member in talk.members), PATIENCE_S)
        took = time.monotonic() - began
        assert took <= RESUMED_WITHIN_S + scale.slack_s, f"told only {took:.2f} s after Redis was back"
        await talk.wait_flowing(PATIENCE_S)
        roster = await talk.settle(roster_within_s=ROSTER_WITHIN_S + scale.slack_s)
        outcome = talk.outcome("Redis killed, forgot everything", took, f"roster {roster:.2f} s")
    assert outcome.codes == {"1012": len(connections)}, f"each is told once, with 1012: {outcome}"
    return outcome


async def x2_redis_stopped(stage: Stage, scale: Scale) -> Outcome:
    """Redis stops in its tracks and goes on."""
    outcomes = []
    for stop in scale.stops_s:
        async with talking(stage, is_busy=True) as talk:
            stage.redis.pause()
            await asyncio.gather(asyncio.sleep(stop), talk.wait_refused())
            stage.redis.resume()
            took = await talk.wait_flowing(PATIENCE_S)
            await talk.settle()
            outcome = talk.outcome(f"Redis stopped for {stop:g} s", took)
        assert not outcome.codes, f"nobody had to go: {outcome}"
        outcomes.append(outcome)
    return reduce(add, outcomes)


async def x3_link_silent(stage: Stage, scale: Scale) -> Outcome:
    """One node's link to Redis lets nothing through, and does not break."""
    outcomes = []
    proxy = stage.proxies[0]
    for direction in scale.silent:
        async with talking(stage, is_busy=True) as talk:
            before = proxy.connections
            proxy.blackhole(direction)
            noticed = await talk.until(lambda: proxy.connections > before, PATIENCE_S)  # noqa: B023
            assert noticed <= NOTICED_WITHIN_S + scale.slack_s, f"noticed only after {noticed:.2f} s"
            proxy.heal()
            took = await talk.wait_flowing(PATIENCE_S)
            await talk.settle()
            outcome = talk.outcome(f"link silent ({direction})", took, f"noticed {noticed:.2f} s")
        assert not outcome.codes, f"nobody had to go: {outcome}"
        outcomes.append(outcome)
    return reduce(add, outcomes)


async def x4_links_cut(stage: Stage, scale: Scale) -> Outcome:
    """Links are killed by Redis and reset by the network, again and again."""
    async with talking(stage, is_busy=True) as talk, connected(stage) as client:
        kills, resets = 5, 0
        for _ in range(kills):
            for kind in ("pubsub", "normal"):
                await client.client_kill_filter(_type=kind, skipme=True)
            await talk.wait_flowing(PATIENCE_S)
        until = time.monotonic() + scale.resets_s
        while time.monotonic() < until:
            for proxy in stage.proxies:
                proxy.reset()
            resets += 1
            await asyncio.sleep(0.2)
        for proxy in stage.proxies:
            proxy.half_close("down")
        took = await talk.wait_flowing(PATIENCE_S)
        await talk.settle()
        outcome = talk.outcome(f"CLIENT KILL x{2 * kills}, {resets} resets, 1 half-close", took)
    assert not outcome.codes, f"nobody had to go: {outcome}"
    return outcome


async def x6_redis_refuses(stage: Stage, scale: Scale) -> Outcome:
    """Redis is there and does not do what it must: full, read-only, loading, and closed to the gateway."""
    outcomes = []
    for name, refuse, relent, word in _REFUSALS[: scale.refusals]:
        async with talking(stage) as talk, connected(stage) as client:
            await refuse(stage, client)
            refusal, _ = await asyncio.gather(
                refused_start(stage.new_directory("late"), "--redis", stage.redis.url, "--port", "0"),
                talk.wait_refused(),
            )
            assert refusal.status == EX_UNAVAILABLE, f"{name}: exit status {refusal.status}"
            assert word in refusal.said, f"{name}: it does not say {word}: {refusal.said}"
            assert "Traceback" not in refusal.said, refusal.said
            for node in stage.nodes:
                await stage.wait_status(node, 503, NOTICED_WITHIN_S + scale.slack_s)
                assert await stage.status(node, "/livez") == 200
            await relent(stage, client)
            took = await talk.wait_flowing(PATIENCE_S)
            await talk.settle()
            outcome = talk.outcome(f"Redis {name}", took)
        assert not outcome.codes, f"nobody had to go: {outcome}"
        outcomes.append(outcome)
    return reduce(add, outcomes)


Change = Callable[[Stage, redis.asyncio.Redis], Awaitable[None]]


async def _fill(stage: Stage, client: redis.asyncio.Redis) -> None:
    await client.config_set("maxmemory", "1")


async def _empty(stage: Stage, client: redis.asyncio.Redis) -> None:
    await client.config_set("maxmemory", "0")


async def _make_replica(stage: Stage, client: redis.asyncio.Redis) -> None:
    await client.replicaof("127.0.0.1", "1")


async def _make_master(stage: Stage, client: redis.asyncio.Redis) -> None:
    await client.replicaof("NO", "ONE")


async def _load_slowly(stage: Stage, client: redis.asyncio.Redis) -> None:
    """Let it read its own data again, for seconds, as after a restart; it answers LOADING meanwhile."""
    async with client.pipeline(transaction=False) as pipe:
        for number in range(_BALLAST):
            pipe.set(f"ballast:{number}", "x" * 4096)
        await pipe.execute()
    await client.config_set("key-load-delay", "10000")
    loading = asyncio.create_task(_reload(stage))
    _loading.add(loading)
    loading.add_done_callback(_loading.discard)


_BALLAST = 350
"""Keys, of which each takes a hundredth of a second to load."""

_loading: set[asyncio.Task[None]] = set()


async def _reload(stage: Stage) -> None:
    async with redis.asyncio.Redis.from_url(stage.redis.url, socket_timeout=30) as client:
        await client.execute_command("DEBUG", "RELOAD")  # type: ignore[no-untyped-call]  # redis-py's


async def _stop_loading(stage: Stage, client: redis.asyncio.Redis) -> None:
    await asyncio.gather(*_loading)
    await client.config_set("key-load-delay", "0")
    await client.delete(*(f"ballast:{number}" for number in range(_BALLAST)))


async def _take_rights(stage: Stage, client: redis.asyncio.Redis) -> None:
    await client.acl_setuser("default", commands=["-evalsha"], keys=["*"], enabled=True)


async def _give_rights(stage: Stage, client: redis.asyncio.Redis) -> None:
    await client.acl_setuser("default", categories=["+@all"], keys=["*"], enabled=True)


async def _lock(stage: Stage, client: redis.asyncio.Redis) -> None:
    await client.config_set("requirepass", "another")
    for kind in ("pubsub", "normal"):
        await client.client_kill_filter(_type=kind, skipme=True)


async def _unlock(stage: Stage, client: redis.asyncio.Redis) -> None:
    await client.config_set("requirepass", "")


_REFUSALS: Sequence[tuple[str, Change, Change, str]] = (
    ("full (maxmemory)", _fill, _empty, "OOM"),
    ("password changed", _lock, _unlock, "NOAUTH"),
    ("READONLY", _make_replica, _make_master, "replica"),
    ("ACL changed", _take_rights, _give_rights, "NOPERM"),
    ("LOADING", _load_slowly, _stop_loading, "loading"),
)
"""What is wrong with it, how that begins and ends, and what a node that is started meanwhile says of it."""


async def x13_half_a_redis_each(stage: Stage, scale: Scale) -> Outcome:
    """
    One node and then the other sees no Redis, while members come and go.

    Over the one that does see it a token is taken back that is in use on the other.
    """
    async with talking(stage, is_busy=True) as talk:
        topic = talk.members[0].topic
        guest = talk.add(f"{topic}-guest", topic, 0, jti=f"{topic}-guest", alone=True)
        await guest.wait_in()
        talk.begin([guest])
        for turn, seconds in enumerate(scale.halves):
            proxy = stage.proxies[turn % 2]
            proxy.blackhole()
            if not turn:
                talk.members.remove(guest)
                talk.talkers.remove(guest)
                await revoke(stage, talk.recorder, f"{topic}-guest", 1)
            comer = talk.add(f"{topic}-comer{turn}", topic, 1 - turn % 2)
            await asyncio.sleep(seconds)
            proxy.heal()
            if turn % 2:
                await talk.leave(comer)
        healed = time.monotonic()
        await talk.wait_all_in(AGREED_WITHIN_S)
        assert guest.codes == [4403], f"its token was taken back: {guest.codes}"
        took = await talk.wait_flowing(AGREED_WITHIN_S)
        roster = await talk.settle(roster_within_s=AGREED_WITHIN_S)
        agreed = time.monotonic() - healed
        assert agreed <= AGREED_WITHIN_S, f"rosters agreed only {agreed:.1f} s after the heal"
        return talk.outcome(
            f"each node without Redis in turn for {'/'.join(f'{each:g}' for each in scale.halves)} s",
            took,
            f"rosters agreed {agreed:.2f} s after the heal (after the last word {roster:.2f} s)",
        )


@asynccontextmanager
async def connected(stage: Stage) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the stage's Redis that no fault of the links concerns."""
    async with redis.asyncio.Redis.from_url(stage.redis.url) as client:
        yield client
