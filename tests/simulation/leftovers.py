"""What must be left of a history when everybody has gone: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.broker.redis_broker import RedisBroker
from gateway.broker.redis_keys import Keys
from tests.simulation.nodes import PREFIX, NodeProcess
from tests.simulation.world import World

_KEYS = Keys(PREFIX)
_KEPT = frozenset(name.encode() for name in (_KEYS.nodes, _KEYS.rights, _KEYS.seen, _KEYS.revoked))


def left_in_nodes(world: World) -> Iterator[str]:
    """Look into nodes that hold nobody any more."""
    for process in world.processes:
        for what, thing in _holders(process):
            if thing:
                yield f"{process.name} still has {what}: {thing!r}"


def left_in_redis(world: World) -> Iterator[str]:
    """Look at the keys of topics in which nobody is."""
    for key in world.redis.data.keys:
        if world.redis.data.find(key) is not None and key not in _KEPT:
            yield f"Redis still has {key.decode()}"


def _holders(process: NodeProcess) -> Iterator[tuple[str, Any]]:
    node: Any = process.node
    yield "topics", node.topics
    yield "connections", node.connections
    for name in ("_homes", "_joining", "_shared", "_unsaid"):
        yield name, getattr(node, name)
    yield "topics with something pending", node._rounds._touched
    yield "topics that owe a copy", node._rounds._owing
    yield "topics being left", node._holding._leaving
    broker: Any = process.broker
    if isinstance(broker, RedisBroker):
        listening, speaking = broker._listening, broker._speaking
        yield "topics heard", broker._heard
        yield "channels", listening._by_channel
        yield "topics to leave", listening.leaving
        yield "gates", listening._gates
        yield "lines", speaking._lines
        yield "queued entries", speaking._queued
        yield "queued bytes", speaking._queued_bytes
        yield "burials", broker._heartbeat._burying
    else:
        yield "orders", broker._orders
