"""The gateway's own Lua scripts, run by the Lua that Redis has, over simulated data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from lupa import lua51  # type: ignore[import-untyped]  # it has no stubs

from tests.simulation.redis_data import Data, RedisError, Reply, Simple

_unpack: Final = msgspec.msgpack.Decoder().decode


class _Machine:
    """One Lua for the whole process: compiling costs more than most histories."""

    def __init__(self) -> None:
        self.lua = lua51.LuaRuntime(encoding=None, unpack_returned_tuples=False)
        self.data: Data | None = None
        self._compiled: dict[str, Any] = {}
        self._table = self.lua.table_from
        prelude = self.lua.execute(
            b"""
            return function(call, unpack_msgpack)
              redis = {}
              function redis.call(...) return call(...) end
              function redis.pcall(...)
                local ok, reply = pcall(call, ...)
                if ok then return reply end
                return {err = tostring(reply)}
              end
              function redis.acl_check_cmd() return true end
              cmsgpack = {unpack = unpack_msgpack}
            end
            """
        )
        prelude(self._call, self._unpack)

    def compile(self, text: str) -> str:
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        if sha not in self._compiled:
            self._compiled[sha] = self.lua.execute(b"return function(KEYS, ARGV)\n%s\nend" % text.encode())
        return sha

    def run(self, data: Data, sha: str, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Reply:
        self.data = data
        try:
            reply = self._compiled[sha](self._table(keys), self._table(arguments))
        except lua51.LuaError as error:
            raise RedisError(f"ERR {error}") from None
        return _from_lua(reply)

    def _call(self, *parts: Any) -> Any:
        assert self.data is not None
        reply = self.data.run([part if type(part) is bytes else b"%d" % part for part in parts])
        kind = type(reply)
        if kind is bytes or kind is int:
            return reply
        if reply is None:
            return False
        if kind is list:
            return self._table(
                [False if each is None else each for each in reply] if None in reply else reply
            )
        if kind is dict:
            return self._table([each for pair in reply.items() for each in pair])
        assert isinstance(reply, Simple)
        return self._table({b"ok": reply.encode()})

    def _unpack(self, packed: bytes) -> Any:
        return self._to_lua(_unpack(packed))

    def _to_lua(self, value: Any) -> Any:
        if type(value) is list:
            return self._table([self._to_lua(each) for each in value])
        return value.encode() if type(value) is str else value


def _from_lua(value: Any) -> Reply:
    if type(value) is bytes or type(value) is int:
        return value
    if type(value) is float:
        return int(value)
    if value is None or value is False:
        return None
    if value is True:
        return 1
    found: list[Reply] = []
    for place in range(1, len(value) + 1):
        each = value[place]
        if each is None:
            break
        found.append(_from_lua(each))
    return found


_machine: Final = _Machine()


def load(text: str) -> str:
    """Compile a script; return its name."""
    return _machine.compile(text)


def run(data: Data, sha: str, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Reply:
    """
    Run a script that was loaded.

    Raises:
        RedisError
    """
    return _machine.run(data, sha, keys, arguments)
