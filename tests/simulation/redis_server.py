"""A Redis that can be stopped, go back in time, run full, and lose what it publishes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import hiredis

from tests.simulation import redis_scripts
from tests.simulation.loop import SimulatedLoop, current_process
from tests.simulation.redis_data import Data, RedisError, Reply, Simple
from tests.simulation.wires import Wire

_LATER: Final = 3
_FATES: Final = (0, 2, _LATER)
"""How often a message comes that does not come once."""

_INFO: Final = b"redis_version:7.2.0\r\nrun_id:%d\r\nloading:0\r\n"


class _Client:
    """One connection, as Redis sees it."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.reader = hiredis.Reader()
        self.channels: set[bytes] = set()
        self.out: list[bytes] = []

    def flush(self) -> None:
        if self.out:
            self.wire.send(b"".join(self.out))
            self.out.clear()


class SimulatedRedis:
    """The process, its data and its connections."""

    def __init__(self, loop: SimulatedLoop, random: Random, *, delay_s: float) -> None:
        self._loop, self._random, self._delay_s = loop, random, delay_s
        self.data = Data(self._now_ms, self._publish)
        self.is_up = True
        self.is_silent = False
        """Whether new connections are neither taken nor refused."""
        self.mischief = 0.0
        """How often a published message vanishes, comes twice, or changes places with the next."""
        self._run_id = 1
        self._clients: dict[_Client, None] = {}
        self._loaded: set[str] = set()
        self._kept_back: dict[_Client, tuple[bytes, bytes, bytes]] = {}
        self._written: dict[_Client, None] = {}

    @property
    def wires(self) -> list[Wire]:
        """The living connections."""
        return [client.wire for client in self._clients]

    def _now_ms(self) -> int:
        return 1_756_216_800_000 + int(self._loop.time() * 1000)

    # Connections

    async def connect(self, make_protocol: Callable[[], asyncio.BaseProtocol]) -> tuple[Any, Any]:
        """
        Take a connection of the process that runs just now.

        Raises:
            ConnectionRefusedError: it is down.
        """
        process = current_process()
        assert process is not None, "only nodes connect"
        await asyncio.sleep(self._delay_s * (0.5 + self._random.random()))
        if self.is_silent:
            await asyncio.Event().wait()
        if not self.is_up:
            raise ConnectionRefusedError("nobody listens")
        protocol = make_protocol()
        wire = Wire(self._loop, self._random, process, protocol, delay_s=self._delay_s)
        client = _Client(wire)
        self._clients[client] = None
        wire.take = lambda data: self._take(client, data)
        wire.gone = lambda: self._forget(client)
        protocol.connection_made(wire)
        return wire, protocol

    def _forget(self, client: _Client) -> None:
        self._clients.pop(client, None)
        self._kept_back.pop(client, None)

    # Life

    def stop(self) -> None:
        """Be killed: every connection breaks."""
        self.is_up = False
        for wire in self.wires:
            wire.reset(something_arrives=False)
        self._clients.clear()

    def start(self, restored: dict[bytes, Any] | None = None) -> None:
        """Be there again, with everything, or with what some moment's disk had."""
        self.is_up = True
        self._run_id += 1
        self._loaded.clear()
        if restored is not None:
            self.data.keys = restored
            self.data.ends.clear()

    # Commands

    def _take(self, client: _Client, data: bytes) -> None:
        client.reader.feed(data)
        while (parts := client.reader.gets()) is not False:
            if not self.is_up:
                return
            try:
                reply = self._do(client, parts)
            except RedisError as error:
                client.out.append(b"-%s\r\n" % str(error).encode())
            else:
                if reply is not _SAID:
                    _encode(reply, client.out)
        client.flush()
        written, self._written = self._written, {}
        for other in written:
            other.flush()

    def _do(self, client: _Client, parts: Sequence[bytes]) -> Reply:
        match parts[0]:
            case b"EVALSHA":
                return self._evaluate(parts)
            case b"PING":
                return Simple("PONG")
            case b"SUBSCRIBE" | b"SSUBSCRIBE":
                client.channels.add(parts[1])
                _push(client.out, parts[0].lower(), parts[1], len(client.channels))
                return _SAID
            case b"UNSUBSCRIBE" | b"SUNSUBSCRIBE":
                client.channels.discard(parts[1])
                _push(client.out, parts[0].lower(), parts[1], len(client.channels))
                return _SAID
            case b"HELLO":
                return {b"proto": 3}
            case b"INFO":
                return _INFO % self._run_id
            case b"SCRIPT":
                sha = redis_scripts.load(parts[2].decode())
                self._loaded.add(sha)
                return sha.encode()
            case b"CONFIG":
                return {b"appendonly": b"yes", b"appendfsync": b"always"}
        return self.data.run(parts)

    def _evaluate(self, parts: Sequence[bytes]) -> Reply:
        sha, count = parts[1].decode(), int(parts[2])
        if sha not in self._loaded:
            raise RedisError("NOSCRIPT No matching script. Please use EVAL.")
        return redis_scripts.run(self.data, sha, parts[3 : 3 + count], parts[3 + count :])

    def _publish(self, kind: bytes, channel: bytes, message: bytes) -> int:
        told = 0
        for client in self._clients:
            if channel not in client.channels:
                continue
            told += 1
            fate = self._random.choice(_FATES) if self.mischief > self._random.random() else 1
            if fate == _LATER and client not in self._kept_back:
                self._kept_back[client] = (kind, channel, message)
                continue
            for _ in range(min(fate, 2)):
                _push(client.out, kind, channel, message)
            kept = self._kept_back.pop(client, None)
            if kept is not None:
                _push(client.out, *kept)
            self._written[client] = None
        return told


_SAID: Final = object()


def _push(out: list[bytes], kind: bytes, channel: bytes, what: bytes | int) -> None:
    out.append(b">3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(kind), kind, len(channel), channel))
    _encode(what, out)


def _encode(reply: Reply, out: list[bytes]) -> None:
    """Write a reply as RESP3."""
    kind = type(reply)
    if kind is bytes:
        out.append(b"$%d\r\n%s\r\n" % (len(reply), reply))
    elif kind is int:
        out.append(b":%d\r\n" % reply)
    elif reply is None:
        out.append(b"_\r\n")
    elif kind is list:
        out.append(b"*%d\r\n" % len(reply))
        for each in reply:
            _encode(each, out)
    elif kind is dict:
        out.append(b"%%%d\r\n" % len(reply))
        for key, value in reply.items():
            _encode(key, out)
            _encode(value, out)
    else:
        assert isinstance(reply, Simple)
        out.append(b"+%s\r\n" % reply.encode())
