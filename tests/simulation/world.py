"""Everything that one seed makes: nodes, Redis, wires, participants, and the history of it."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from capabilities import effective
from gateway.broker.protocol import ParticipantRecord
from gateway.broker.redis_frame import Seal
from gateway.broker.redis_keys import Keys
from gateway.core import Entry, Mode, Relayed
from gateway.errors import BrokerUnavailable
from tests.history import Appended, Event, Forgotten, Holds, Note, Quiet
from tests.simulation.loop import Life, SimulatedLoop
from tests.simulation.members import Connection, Token
from tests.simulation.nodes import PREFIX, Disk, NodeProcess
from tests.simulation.redis_server import SimulatedRedis

_EPOCH = 1_756_216_800.0
_SETTLES_IN_S = 20.0
_NOTICED_IN_S = 1.5
"""After the last fault, until nodes have noticed that one."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is fixed for one history."""

    is_shared: bool = True
    """Whether nodes share a Redis; else there is one node."""
    nodes: int = 2
    topics: int = 1
    delay_s: float = 0.002
    """Of a wire, one way, about."""
    kept_entries: int = 1000
    kept_s: float = 60.0
    rate: float = 1e6
    max_envelope_bytes: int = 2000
    faults: frozenset[str] = frozenset()
    steps: int = 40


class _Clock:
    def __init__(self, loop: SimulatedLoop) -> None:
        self.monotonic = loop.time
        self._loop = loop

    def now(self) -> float:
        return _EPOCH + self._loop.time()


class World:
    """One history as it unfolds."""

    def __init__(self, loop: SimulatedLoop, random: Random, conditions: Conditions) -> None:
        self.loop, self.random, self.conditions = loop, random, conditions
        self.clock = _Clock(loop)
        self.history: list[Event] = []
        self.note = self.history.append
        self.complaints: list[str] = []
        """What went wrong that no participant sees."""
        self.calls: list[asyncio.Task[None]] = []
        """What admins have asked for."""
        self.under_way: list[str] = []
        """Whose rights an admin's call is changing, or one that failed: perhaps written and not yet said."""
        self.has_gone_back = False
        """Whether Redis has lost something, perhaps a right that topics still go by."""
        self.not_before = 0.0
        """When all promotions and tokens that end by themselves have ended, and everybody knows."""
        self.processes: list[NodeProcess] = []
        self.former: list[NodeProcess] = []
        """Those that were stopped, not killed."""
        self.connections: list[Connection] = []
        self._numbers: dict[str, int] = {}
        self.disk = Disk()
        self.redis = SimulatedRedis(loop, random, delay_s=conditions.delay_s)
        self.redis.data.appended = self._note_batch
        loop.connect = self.redis.connect
        keys = Keys(PREFIX)
        self._nodes_key = keys.nodes.encode()
        names = [f"t{nth}" for nth in range(1, conditions.topics + 1)]
        self.topics = names
        self._topic_of = {keys.of(name)[1].encode(): name for name in names}
        self._state_keys = [keys.of(name)[0].encode() for name in names]
        self._seal = Seal(b"s" * 32)
        self._taken: list[str] = []
        """Ids of all envelopes appended."""

    # Names

    def number(self, what: str) -> str:
        """Return the next name of its kind: `c1`, `c2`, …"""
        self._numbers[what] = self._numbers.get(what, 0) + 1
        return f"{what}{self._numbers[what]}"

    def new_id(self) -> str:
        return self.number("gw-e")

    def new_epoch(self) -> str:
        return self.number("ep")

    def explain(self, text: str) -> None:
        """Say in the history what is happening behind the participants' backs."""
        self.note(Note(at=self.loop.time(), text=text))

    # The store's account

    def _note_batch(self, stream: bytes, stored: bytes) -> None:
        topic = self._topic_of[stream]
        state = self.redis.data.find(stream.removesuffix(b"stream") + b"state")
        batch = self._seal.open(topic, state[b"epoch"].decode(), stored)
        self.note_appended(topic, batch.entries)

    def note_appended(self, topic: str, entries: Sequence[Entry]) -> None:
        """Say what was appended."""
        ids = tuple(_id_of(entry.data) for entry in entries if isinstance(entry, Relayed))
        if ids:
            self._taken.extend(ids)
            self.note(Appended(at=self.loop.time(), topic=topic, ids=ids))

    def backup(self) -> tuple[dict[bytes, Any], int]:
        """What a disk has now, and how much was taken until then."""
        return self.redis.data.backup(), len(self._taken)

    def go_back(self, backup: tuple[dict[bytes, Any], int]) -> None:
        """Have Redis come back with what a disk had."""
        keys, count = backup
        # How far a life of a topic had come that ended after the backup, nobody has written down.
        before, now = self._places(keys), self._places()
        places = [(epoch, before.get(epoch, 0) + 1, last) for epoch, last in now.items()]
        places += [(epoch, last + 1, sys.maxsize) for epoch, last in before.items() if epoch not in now]
        self.redis.start(keys)
        self.has_gone_back = True
        ids = tuple(self._taken[count:])
        self.note(Forgotten(at=self.loop.time(), ids=ids, places=tuple(places)))

    def _places(self, keys: dict[bytes, Any] | None = None) -> dict[str, int]:
        """How far the lives of topics have come, named as in the ids of what the gateway says of them."""
        data = self.redis.data.keys if keys is None else keys
        states = (data.get(key) for key in self._state_keys)
        return {f"gw-{state[b'epoch'].decode()}": int(state[b"seq"]) for state in states if state}

    # Who is there

    def start_node(self) -> NodeProcess:
        process = NodeProcess(self, self.number("n"))
        self.processes.append(process)
        self.explain(f"{process.name} starts")
        return process

    @property
    def serving(self) -> list[NodeProcess]:
        return [process for process in self.processes if process.is_serving]

    @property
    def open_connections(self) -> list[Connection]:
        return [connection for connection in self.connections if connection.is_open]

    def connect(self, token: Token, topic: str, mode: Mode, process: NodeProcess) -> Connection:
        connection = Connection(self, process, self.number("c"), token, topic, mode)
        self.connections.append(connection)
        process.connections.append(connection)
        return connection

    # Coming to rest

    async def wait_nobody_runs(self) -> None:
        """Wait until the last process has ended."""
        await self._wait(lambda: "" if not self.processes else "somebody runs", math.inf)

    async def settle(self) -> None:
        """Wait until every node knows who is there; complain if that takes too long."""
        if self.conditions.faults:
            await asyncio.sleep(_NOTICED_IN_S)
        why = await self._wait(self._unsettled, _SETTLES_IN_S)
        if why:
            self.complaints.append(f"after {_SETTLES_IN_S:g} s without faults: {why}")
        await asyncio.sleep(0.5)

    async def _wait(self, why_not: Callable[[], str], at_most_s: float) -> str:
        """Wait until there is no reason left; return the one that is, after all."""
        end = self.loop.time() + at_most_s
        while (why := why_not()) and self.loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.25)  # time is free, and no condition is set for a checker
        return why

    def _unsettled(self) -> str:
        for connection in self.connections:
            if connection.is_joining and connection.process.life is Life.RUNNING:
                return f"{connection.name} is still joining"
        if any(not call.done() and _is_alive(call) for call in self.calls):
            return "an admin still waits for an answer"
        if self.loop.time() < self.not_before:
            return "something has yet to end by itself"
        there: dict[str, set[str]] = {topic: set() for topic in self.topics}
        for connection in self.open_connections:
            assert connection.member is not None
            there[connection.topic].add(connection.member.connection)
        if not self.serving and all(process.is_stopping for process in self.processes):
            self.start_node()
        for process in self.processes:
            if not process.is_serving or not process.broker.is_available:
                return f"{process.name} is not ready"
            for name, topic in process.node.topics.items():
                known = {record.connection for record in topic.roster.records}
                if known != there[name]:
                    return (
                        f"{process.name} thinks that {sorted(known)} are in {name}, not {sorted(there[name])}"
                    )
        known_nodes = self.redis.data.find(self._nodes_key) or {}
        gone = {name.decode() for name in known_nodes if name} - {process.name for process in self.processes}
        return f"Redis still knows of {sorted(gone)}" if gone else ""

    async def take_stock(self) -> None:
        """Say what holds at the end."""
        self.note(Quiet(at=self.loop.time()))
        process = self.serving[0]
        asking = self.loop.create_task(self._holds(process), context=process.context)
        await asking

    async def _record(self, process: NodeProcess, participant: str) -> ParticipantRecord | None:
        """Ask a node's broker; a link on which nothing was heard meanwhile may be replaced just now."""
        for _ in range(5):
            try:
                return await process.broker.participant(participant)
            except BrokerUnavailable:
                await asyncio.sleep(0.5)
        return None

    async def _holds(self, process: NodeProcess) -> None:
        for connection in self.open_connections:
            if self.has_gone_back or connection.token.participant in self.under_way:
                continue
            token = connection.token
            record = await self._record(process, token.participant)
            if record is None:
                self.complaints.append(f"{process.name} cannot say what {token.participant} may do")
                continue
            held = effective(token.base, record.amendments_in(connection.topic), self.clock.now())
            self.note(Holds(at=self.loop.time(), connection=connection.name, capabilities=held))


def _is_alive(task: asyncio.Task[None]) -> bool:
    process = getattr(task, "process", None)
    return process is not None and process.life is Life.RUNNING


def _id_of(data: bytes) -> str:
    # As `Connection.send` writes it: {"protocol":"mcpx/v0.1","id":"…
    return data.split(b'"', 8)[7].decode()
