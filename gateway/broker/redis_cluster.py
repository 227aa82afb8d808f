"""
The shards of a Redis Cluster: which server has which slots, and who is asked when that changes.

The map is taken from the servers themselves, from the one that knows of the
latest change; a server that answers `MOVED` says only that it is time to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import hiredis
import structlog

from gateway.broker.redis_address import Address, Place
from gateway.broker.redis_chores import Chores
from gateway.broker.redis_connection import Connection, User
from gateway.broker.redis_keys import SLOTS, Keys, slot_of
from gateway.broker.redis_limits import RedisTimes
from gateway.broker.redis_link import Link, LinkLost, Refused
from gateway.broker.redis_refusals import REROUTED
from gateway.broker.redis_session import Hearing, Session, greet, parse_info
from gateway.broker.redis_shards import Command, first_refusal
from gateway.errors import BrokerUnavailable

log = structlog.get_logger("gateway.broker")

_LOOK_S: Final = 5.0
"""Between looks at the map when nothing seems wrong."""
_LOOK_AGAIN_S: Final = 0.2
"""The same while something is."""
_ASK_AGAIN_S: Final = 0.05
"""Before a command that was sent elsewhere is sent again."""

_Server = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _View:
    """The map as one server sees it."""

    epoch: int
    """Rises with each change."""
    ranges: tuple[tuple[int, int, _Server], ...]
    """First slot, last slot, and their master."""
    others: frozenset[_Server]
    """Replicas: whom to ask when the masters are gone."""


class Cluster:
    """One connection for each master."""

    def __init__(
        self, place: Place, keys: Keys, times: RedisTimes, user: User, rerouted: Callable[[], None]
    ) -> None:
        """`rerouted` is called when topics may be on other connections than before."""
        self._place, self._keys, self._times, self._user, self._rerouted = place, keys, times, user, rerouted
        self._by_server: dict[_Server, Connection] = {}
        self._nowhere = Connection(
            "a server that is not known", self._unknown, times, user, str, has_heirs=False
        )
        self._slots = [self._nowhere] * SLOTS
        self._others: frozenset[_Server] = frozenset()
        self._pointed_at: set[_Server] = set()
        """Servers named by a redirection."""
        self._doubted = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._chores = Chores()
        self._node = ""

    @property
    def connections(self) -> Sequence[Connection]:
        return tuple(self._by_server.values())

    @property
    def store(self) -> Connection:
        return self._slots[slot_of(self._keys.rights)]

    def of(self, topic: str) -> Connection:
        return self._slots[slot_of(self._keys.channel(topic))]

    # Life

    async def open(self, node: str) -> None:
        self._node = node
        view = await self._look()
        if sum(last - first + 1 for first, last, _ in view.ranges) < SLOTS:
            raise BrokerUnavailable(f"{self._place} lacks servers for some of its slots")
        connections = self._take(view)
        outcomes = await asyncio.gather(
            *(connection.open(node) for connection in connections), return_exceptions=True
        )
        failures = [outcome for outcome in outcomes if outcome is not None]
        if failures:
            await self.close()
            raise failures[0]
        self._watching = asyncio.create_task(self._watch(), name="broker.cluster")

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._chores.stop()
        await asyncio.gather(*(connection.close() for connection in self.connections))

    # The map

    def doubt(self, error: Refused | None = None) -> None:
        if error is not None and error.word == "MOVED":
            _, slot, to = error.text.split(" ")[:3]
            server = _server_of(to)
            connection = self._by_server.get(server)
            if connection is None and server[0]:
                self._pointed_at.add(server)
            elif connection is None:
                pass  # it does not say where; a look will
            elif self._slots[int(slot)] is not connection:
                # Not all have heard of it yet, so it counts before the next look.
                self._slots[int(slot)] = connection
                asyncio.get_running_loop().call_soon(self._rerouted)
        self._doubted.set()

    async def _watch(self) -> None:
        while True:
            is_whole = all(connection.is_ready for connection in self.connections)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S if is_whole else _LOOK_AGAIN_S):
                    await self._doubted.wait()
            await asyncio.sleep(_LOOK_AGAIN_S / 4)  # the doubts of one moment are one look
            self._doubted.clear()
            try:
                view = await self._look()
                for connection in self._take(view):
                    connection.open_soon(self._node)
                self._rerouted()
            except BrokerUnavailable:
                await asyncio.sleep(_LOOK_AGAIN_S)  # each connection says so by itself
            except Exception:  # the edge of a task on which everything hangs
                log.exception("broker.cluster_unread", next="looking again")
                await asyncio.sleep(_LOOK_S)

    async def _unknown(self) -> Address:
        raise BrokerUnavailable("no server has these slots")

    def _take(self, view: _View) -> list[Connection]:
        """Route by this view from now on; return the connections that are new."""
        new: list[Connection] = []
        slots = list(self._slots)
        for first, last, server in view.ranges:
            connection = self._by_server.get(server)
            if connection is None:
                connection = self._by_server[server] = self._connection(server)
                new.append(connection)
            slots[first : last + 1] = [connection] * (last - first + 1)
        moved = sum(
            was is not now and was is not self._nowhere for was, now in zip(self._slots, slots, strict=True)
        )
        self._slots, self._others = slots, view.others
        self._pointed_at.clear()
        serving = set(slots)
        for server, connection in list(self._by_server.items()):
            if connection not in serving:
                del self._by_server[server]
                self._chores.do(connection.close())
        if moved:
            log.warning("broker.slots_moved", slots=moved, servers=len(serving), next="following them")
        return new

    def _connection(self, server: _Server) -> Connection:
        address = self._place.redis.at(*server)

        async def find() -> Address:
            return address

        def probe() -> str:
            return self._probe(connection)

        connection = Connection(str(address), find, self._times, self._user, probe, has_heirs=True)
        return connection

    def _probe(self, connection: Connection) -> str:
        """Return a channel that the connection's server has: it takes the others from no one."""
        for tag in range(SLOTS * 4):
            name = self._keys.probe(self._node, tag)
            if self._slots[slot_of(name)] is connection:
                return name
        raise BrokerUnavailable(f"{connection.label} has no slots")

    async def _look(self) -> _View:
        """
        Return the newest view of those who can be asked.

        Raises:
            BrokerUnavailable: nobody answers.
        """
        at = self._place.redis.at
        views = await _gather(
            *(
                _view_over(connection.session.link, server)
                for server, connection in self._by_server.items()
                if connection.session is not None and connection.is_ready
            ),
            *(self._view_of(at(*server)) for server in self._pointed_at - self._by_server.keys()),
        )
        if not views:
            known = [at(*server) for server in self._others.union(self._by_server)]
            views = await _gather(*(self._view_of(address) for address in (*self._place.servers, *known)))
        if not views:
            raise BrokerUnavailable(f"{self._place} does not answer")
        return max(views, key=lambda view: view.epoch)

    async def _view_of(self, address: Address) -> _View:
        link: Link | None = None
        try:
            async with asyncio.timeout(self._times.answer / 2):
                link = await Link.open(address, _unheard, _unheard)
                await greet(link, address, self._node)
                return await _view_over(link, (address.host, address.port))
        finally:
            if link is not None:
                link.abort("it was asked")

    # Asking

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        try:
            async with asyncio.timeout(self._times.answer * 2):
                left = await self._ask_some(commands, left, replies)
                while left:
                    await asyncio.sleep(_ASK_AGAIN_S)
                    left = await self._ask_some(commands, left, replies)
        except TimeoutError:
            raise BrokerUnavailable("its shards are changing places") from None
        return replies

    async def _ask_some(self, commands: Sequence[Command], left: list[int], replies: list[Any]) -> list[int]:
        """Ask for what is left, shard by shard; return what has to be asked again, perhaps elsewhere."""
        by_shard: dict[Connection, list[int]] = {}
        for index in left:
            by_shard.setdefault(self._slots[slot_of(_key_of(commands[index]))], []).append(index)
        left, again = [], list[int]()
        for connection, mine in by_shard.items():
            if again:
                left += mine  # named later, so asked later
                continue
            answers = await connection.ask_each([commands[index] for index in mine])
            for index, answer in zip(mine, answers, strict=True):
                replies[index] = await self._follow(commands[index], answer)
                error = first_refusal([replies[index]])
                if error is not None and error.word not in REROUTED:
                    raise BrokerUnavailable(str(error)) from error
                if error is not None:
                    self.doubt(error)
                    again.append(index)
        return again + left

    async def _follow(self, command: Command, answer: Any) -> Any:
        """Ask where `ASK` points to: the key is there already, though its slot is not."""
        if not isinstance(answer, hiredis.ReplyError) or not str(answer).startswith("ASK "):
            return answer
        address = self._place.redis.at(*_server_of(str(answer).split(" ")[2]))
        session = await Session.open(address, self._node, Hearing(_unheard, _unheard), self._times.answer)
        try:
            return (await session.link.ask_each([["ASKING"], command]))[1]
        except LinkLost as error:
            raise BrokerUnavailable(str(error)) from error
        finally:
            session.link.abort("it was asked")


async def _gather(*asking: Any) -> list[_View]:
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    for outcome in outcomes:
        if not isinstance(outcome, _View | TimeoutError | OSError | LinkLost | Refused):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, _View)]


async def _view_over(link: Link, server: _Server) -> _View:
    async with asyncio.timeout(1):
        raw, shards = await link.ask_all([["CLUSTER", "INFO"], ["CLUSTER", "SLOTS"]])
    info = parse_info(raw)
    ranges: list[tuple[int, int, _Server]] = []
    others: set[_Server] = set()
    for first, last, master, *replicas in shards:
        ranges.append((first, last, _server(master, server)))
        others.update(_server(replica, server) for replica in replicas)
    # Who was cut off from the others may not know what they have agreed since.
    epoch = int(info.get("cluster_current_epoch", 0)) if info.get("cluster_state") == "ok" else -1
    return _View(epoch, tuple(ranges), frozenset(others))


def _server(described: Any, asked: _Server) -> _Server:
    # A server that does not know its own address means the one at which it was asked.
    return (described[0].decode() if described[0] else asked[0]), int(described[1])


def _server_of(text: str) -> _Server:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _key_of(command: Command) -> str | bytes:
    key = command[3] if command[0] == "EVALSHA" else command[1]
    assert isinstance(key, str | bytes), "each of our commands names a key"
    return key


def _unheard(*_: bytes) -> None:
    """Nothing is subscribed to."""
