"""A gateway's process: a real node with a real broker, in a simulated life."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from capabilities import Revocation
from gateway.broker.memory import MemoryBroker
from gateway.broker.protocol import BrokerUnavailable, ParticipantRecord
from gateway.broker.redis_broker import RedisBroker
from gateway.broker.redis_limits import RedisBounds, RedisTimes
from gateway.broker.state_file import StateFile
from gateway.core import Entry, Rate, Relayed
from gateway.metrics import Metrics
from gateway.node import Node
from tests.history import Note
from tests.simulation.loop import Life, Process

if TYPE_CHECKING:
    from tests.simulation.members import Connection
    from tests.simulation.world import World

TIMES: Final = RedisTimes(lease=3.0, beat=1.0, ping=0.5, answer=0.8, queue=0.6)
PREFIX: Final = "s:"

_metrics: Final = Metrics()


class Disk(StateFile):
    """Where the memory broker keeps rights from one process to the next."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.is_full = False
        self._kept: tuple[dict[str, ParticipantRecord], list[Revocation]] = ({}, [])

    def load(self) -> tuple[dict[str, ParticipantRecord], list[Revocation]]:
        participants, revocations = self._kept
        return dict(participants), list(revocations)

    def save(self, participants: dict[str, ParticipantRecord], revocations: list[Revocation]) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        self._kept = dict(participants), list(revocations)


class _TellingMemoryBroker(MemoryBroker):
    """The memory broker, which also says what it appends."""

    def __init__(self, world: World) -> None:
        super().__init__(new_epoch=world.new_epoch, state=world.disk)
        self._world = world

    def _append(self, topic: str, order: Any, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Relayed):
                self._world.note_appended(topic, [entry])
        super()._append(topic, order, entries)


class NodeProcess(Process):
    """One life of one node."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(name)
        self._world = world
        self.inbox: list[tuple[Connection, bytes]] = []
        """What has arrived and was not read yet."""
        self.connections: list[Connection] = []
        conditions = world.conditions
        self.broker: MemoryBroker | RedisBroker
        if conditions.is_shared:
            bounds = RedisBounds(entries=conditions.kept_entries, age=conditions.kept_s)
            self.broker = RedisBroker(
                "redis://redis",
                prefix=PREFIX,
                clock=world.clock,
                secret=b"s" * 32,
                times=TIMES,
                bounds=bounds,
            )
        else:
            self.broker = _TellingMemoryBroker(world)
        self.node = Node(
            self.broker,
            id=name,
            clock=world.clock,
            new_id=world.new_id,
            metrics=_metrics,
            rate=Rate(conditions.rate, conditions.rate),
            max_envelope_bytes=conditions.max_envelope_bytes,
        )
        self.is_stopping = False
        self.starting = world.loop.create_task(self._start(), context=self.context)

    @property
    def is_serving(self) -> bool:
        return self.life is Life.RUNNING and not self.is_stopping and self.starting.done()

    async def _start(self) -> None:
        while True:
            try:
                await self.node.start()
            except BrokerUnavailable:  # as a supervisor does
                await asyncio.sleep(0.3)
            else:
                return

    def read(self) -> None:
        """Read everything that has arrived, connection by connection."""
        inbox, self.inbox = self.inbox, []
        for connection, together in groupby(inbox, key=itemgetter(0)):
            if connection.member is not None:
                self.node.receive(connection.member, [data for _, data in together])
            self.node.read_done()

    def stop(self) -> asyncio.Task[None]:
        """Stop as told by SIGTERM."""
        self.is_stopping = True
        self._world.note(Note(at=self._world.loop.time(), text=f"{self.name} stops"))
        return self._world.loop.create_task(self._stop(), context=self.context)

    async def _stop(self) -> None:
        await self.starting
        await self.node.stop()
        for connection in self.connections:
            if connection.is_open:
                self._world.complaints.append(f"{self.name} stopped, and {connection.name} was not told")
                connection.over(None)
        self._world.processes.remove(self)
        self._world.former.append(self)

    def kill(self) -> None:
        """Be gone at once."""
        self.life = Life.DEAD
        self.waiting.clear()
        self._world.note(Note(at=self._world.loop.time(), text=f"{self.name} is killed"))
        self._world.processes.remove(self)
        for wire in self._world.redis.wires:
            if wire.client is self:
                wire.kill_client()
        for connection in self.connections:
            connection.over(None)

    def freeze(self) -> None:
        """Stand still until thawed."""
        self.life = Life.FROZEN
        self._world.note(Note(at=self._world.loop.time(), text=f"{self.name} stands still"))

    def thaw(self) -> None:
        """Go on."""
        if self.life is Life.FROZEN:
            self._world.note(Note(at=self._world.loop.time(), text=f"{self.name} goes on"))
            self._world.loop.resume(self)
