"""What Redis keeps and the commands that the gateway gives it; as much of each as is used."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Reply = Any
"""bytes, int, None, `Simple`, list or dict."""


class RedisError(Exception):
    """An error reply, as Redis words it."""


class Simple(str):
    """A status such as `OK`."""

    __slots__ = ()


WRITES: Final = frozenset(
    (b"HSET", b"HDEL", b"DEL", b"RPUSH", b"LPOP", b"XADD", b"XTRIM", b"PEXPIRE", b"SPUBLISH", b"PUBLISH")
)
_NEEDS_MEMORY: Final = frozenset((b"HSET", b"RPUSH", b"XADD"))


@dataclass(slots=True)
class Data:
    """One Redis' keys: hashes are dicts, lists lists, streams lists of (id, fields)."""

    now_ms: Callable[[], int]
    publish: Callable[[bytes, bytes, bytes], int]
    """Called with (`message` or `smessage`, channel, message); returns how many were told."""
    keys: dict[bytes, Any] = field(default_factory=dict)
    ends: dict[bytes, int] = field(default_factory=dict)
    """When a key is forgotten, in milliseconds."""
    appended: Callable[[bytes, bytes], None] = lambda _, __: None
    """Called with (stream, batch) for each batch that a stream gets."""
    is_full: bool = False
    """Whether commands that need memory are refused."""

    def run(self, parts: Sequence[bytes]) -> Reply:
        """
        Carry out one command.

        Raises:
            RedisError
        """
        name = parts[0].upper()
        if self.is_full and name in _NEEDS_MEMORY:
            raise RedisError("OOM command not allowed when used memory > 'maxmemory'.")
        command = _COMMANDS.get(name)
        if command is None:
            raise RedisError(f"ERR unknown command '{name.decode()}'")
        return command(self, *parts[1:])

    def backup(self) -> dict[bytes, Any]:
        """A copy of everything, as on a disk."""
        return copy.deepcopy(self.keys)

    def find(self, key: bytes, make: Callable[[], Any] | None = None) -> Any:
        """Return a key's value; `make` one if it has none, or return `None`."""
        end = self.ends.get(key)
        if end is not None and end <= self.now_ms():
            self.keys.pop(key, None)
            del self.ends[key]
        value = self.keys.get(key)
        if value is None and make is not None:
            value = self.keys[key] = make()
        return value

    def drop_if_empty(self, key: bytes, value: Any) -> None:
        if not value:
            del self.keys[key]
            self.ends.pop(key, None)


def _hget(data: Data, key: bytes, name: bytes) -> Reply:
    return (data.find(key) or {}).get(name)


def _hset(data: Data, key: bytes, *pairs: bytes) -> Reply:
    value = data.find(key, dict)
    before = len(value)
    for at in range(0, len(pairs), 2):
        value[pairs[at]] = pairs[at + 1]
    return len(value) - before


def _hdel(data: Data, key: bytes, *names: bytes) -> Reply:
    value = data.find(key)
    if value is None:
        return 0
    gone = sum(value.pop(name, None) is not None for name in names)
    data.drop_if_empty(key, value)
    return gone


def _hmget(data: Data, key: bytes, *names: bytes) -> Reply:
    value = data.find(key) or {}
    return [value.get(name) for name in names]


def _hgetall(data: Data, key: bytes) -> Reply:
    return dict(data.find(key) or {})


def _hkeys(data: Data, key: bytes) -> Reply:
    return list(data.find(key) or {})


def _hvals(data: Data, key: bytes) -> Reply:
    return list((data.find(key) or {}).values())


def _hlen(data: Data, key: bytes) -> Reply:
    return len(data.find(key) or {})


def _hexists(data: Data, key: bytes, name: bytes) -> Reply:
    return int(name in (data.find(key) or {}))


def _exists(data: Data, *keys: bytes) -> Reply:
    return sum(data.find(key) is not None for key in keys)


def _del(data: Data, *keys: bytes) -> Reply:
    gone = 0
    for key in keys:
        gone += data.find(key) is not None
        data.keys.pop(key, None)
        data.ends.pop(key, None)
    return gone


def _pexpire(data: Data, key: bytes, ms: bytes) -> Reply:
    if data.find(key) is None:
        return 0
    data.ends[key] = data.now_ms() + int(ms)
    return 1


def _rpush(data: Data, key: bytes, *values: bytes) -> Reply:
    value = data.find(key, list)
    value.extend(values)
    return len(value)


def _lrange(data: Data, key: bytes, first: bytes, last: bytes) -> Reply:
    return (data.find(key) or [])[int(first) : int(last) + 1]


def _lpop(data: Data, key: bytes) -> Reply:
    value = data.find(key)
    if value is None:
        return None
    first = value.pop(0)
    data.drop_if_empty(key, value)
    return first


def _number(id: bytes) -> float:
    return math.inf if id == b"+" else int(id.split(b"-", 1)[0])


def _xadd(data: Data, key: bytes, id: bytes, *fields: bytes) -> Reply:
    value = data.find(key, list)
    if value and value[-1][0] >= _number(id):
        raise RedisError("ERR The ID specified in XADD is equal or smaller than the target stream top item")
    value.append((_number(id), [id, list(fields)]))
    data.appended(key, fields[1])
    return id


def _xrange(data: Data, key: bytes, first: bytes, last: bytes, _: bytes, count: bytes) -> Reply:
    low, high = _number(first), _number(last)
    found = [entry for number, entry in data.find(key) or [] if low <= number <= high]
    return found[: int(count)]


def _xtrim(data: Data, key: bytes, _: bytes, __: bytes, id: bytes) -> Reply:
    value = data.find(key)
    if value is None:
        return 0
    before, floor = len(value), _number(id)
    value[:] = [entry for entry in value if entry[0] >= floor]
    return before - len(value)


def _time(data: Data) -> Reply:
    now = data.now_ms()
    return [b"%d" % (now // 1000), b"%d" % (now % 1000 * 1000)]


_COMMANDS: Final[dict[bytes, Callable[..., Reply]]] = {
    b"HGET": _hget,
    b"HSET": _hset,
    b"HDEL": _hdel,
    b"HMGET": _hmget,
    b"HGETALL": _hgetall,
    b"HKEYS": _hkeys,
    b"HVALS": _hvals,
    b"HLEN": _hlen,
    b"HEXISTS": _hexists,
    b"EXISTS": _exists,
    b"DEL": _del,
    b"PEXPIRE": _pexpire,
    b"RPUSH": _rpush,
    b"LRANGE": _lrange,
    b"LPOP": _lpop,
    b"XADD": _xadd,
    b"XRANGE": _xrange,
    b"XTRIM": _xtrim,
    b"TIME": _time,
    b"PUBLISH": lambda data, channel, message: data.publish(b"message", channel, message),
    b"SPUBLISH": lambda data, channel, message: data.publish(b"smessage", channel, message),
}
