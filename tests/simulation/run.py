"""One seed from beginning to end."""

from __future__ import annotations

import asyncio
import contextlib
import random as global_random
import secrets
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from unittest.mock import patch

import structlog

from schemas import CloseCode
from tests.history import Asked, Closed, Denied, Event, Opening, judge
from tests.history.views import Refusal, Views
from tests.simulation.leftovers import left_in_nodes, left_in_redis
from tests.simulation.loop import SimulatedLoop, Stuck
from tests.simulation.story import Story, draw_conditions
from tests.simulation.world import Conditions, World

_ENDS_IN_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed."""

    seed: int
    conditions: Conditions
    history: list[Event]
    breaches: list[str]
    unplaced: int
    """How much of it cannot be judged (`Judgement`)."""


def run(seed: int) -> Outcome:
    """Let one history unfold, and decide about it."""
    random = Random(seed)
    global_random.seed(seed)  # the broker draws its pauses from it
    conditions = draw_conditions(random)
    loop = SimulatedLoop(random)
    world = World(loop, random, conditions)
    breaches: list[str] = []
    _said.clear()
    try:
        loop.run_until_complete(_unfold(world, breaches))
    except Stuck as error:
        breaches.append(str(error))
    finally:
        breaches += _failed(loop)
        _bury(loop)
    breaches += [*loop.mishaps, *_said, *world.complaints]
    judgement = judge(world.history)
    breaches += judgement.breaches
    if not conditions.faults:
        breaches += _troubles(world.history)
    return Outcome(seed, conditions, world.history, breaches, judgement.unplaced)


async def _unfold(world: World, breaches: list[str]) -> None:
    story = Story(world)
    await story.unfold()
    await world.take_stock()
    count = len(world.history)
    await story.end()
    end = world.loop.time() + _ENDS_IN_S
    await _until_none_serves(world, breaches, end)
    del world.history[count:]  # what is said while everybody goes is no part of what was promised


async def _until_none_serves(world: World, breaches: list[str], end: float) -> None:
    for connection in world.open_connections:
        connection.leave()
    left: list[str] = []
    while world.loop.time() < end:
        left = [*left_in_nodes(world), *left_in_redis(world)]
        if not left:
            break
        await asyncio.sleep(0.25)
    breaches += left
    stopping = [process.stop() for process in world.processes]
    if stopping:
        await asyncio.wait(stopping, timeout=5.0)
    await asyncio.sleep(0.1)
    for process in world.former:
        for task in world.loop.tasks:
            if not task.done() and task.process is process:
                breaches.append(f"{process.name} has stopped, and {task.get_name()} runs on")


def _failed(loop: SimulatedLoop) -> list[str]:
    """What tasks have raised, and nobody has asked for."""
    return [
        f"{task.process}: {task.exception()!r}"
        for task in loop.tasks
        if task.done() and getattr(task, "_log_traceback", False)
    ]


def _bury(loop: SimulatedLoop) -> None:
    """End what was killed or got stuck, so that nothing of it wakes up in the next history."""
    loop.close()
    for task in loop.tasks:
        if not task.done():
            setattr(task, "_log_destroy_pending", False)  # noqa: B010  # asyncio's own, without a type
            with contextlib.suppress(BaseException):
                task.get_coro().close()


def _troubles(history: list[Event]) -> list[str]:
    """What nobody should meet while nothing goes wrong."""
    found = []
    short = {
        event.connection for event in history if isinstance(event, Opening) and event.expires is not None
    }
    has_disconnected = any(isinstance(event, Asked) and event.act == "disconnect" for event in history)
    for event in history:
        if isinstance(event, Closed) and event.code in (int(CloseCode.RESTART), int(CloseCode.INTERNAL)):
            found.append(f"{event.connection} was closed with {event.code}, and nothing had gone wrong")
        elif (
            isinstance(event, Denied)
            and event.why == "unavailable"
            and event.connection not in short
            and not has_disconnected
        ):
            found.append(f"{event.connection} was not let in, and nothing had gone wrong")
    found += [
        f"{item.of} found the topic unavailable, and nothing had gone wrong"
        for view in Views(history)
        for item in view.heard
        if isinstance(item, Refusal) and item.code == "topic_unavailable"
    ]
    return found


def _drawn_hex(size: int) -> str:
    return global_random.randbytes(size).hex()


# What the gateway logs as an error and that no fault explains.

_EXPLAINED: Final = frozenset(("topic.order_lost", "broker.refused", "bus.forged"))
_said: list[str] = []


def _note_error(_: Any, __: str, event: Any) -> Any:
    if event["event"] not in _EXPLAINED:
        _said.append(f"logged: {event}")
    raise structlog.DropEvent


def set_up() -> None:
    """Make this process the simulation: errors are noted, nothing is printed, and only the seed draws."""
    patch.object(secrets, "token_hex", _drawn_hex).start()
    structlog.configure(
        processors=[_note_error],
        wrapper_class=structlog.make_filtering_bound_logger(40),
        cache_logger_on_first_use=True,
    )
