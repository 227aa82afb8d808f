"""From connecting to Redis until the link is lost: the scripts loaded, the server known."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from gateway.broker.redis_link import Address, Link, LinkLost, Refused, Reply
from gateway.errors import BrokerUnavailable


def _read(name: str) -> str:
    return files("gateway.broker").joinpath(f"redis_{name}.lua").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the name by which Redis knows it once loaded."""

    text: str
    sha: str

    @classmethod
    def of(cls, name: str) -> Script:
        text = _read("common") + _read(name)
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


APPEND: Final = Script.of("append")
ENTER: Final = Script.of("enter")
EXIT: Final = Script.of("exit")
BEAT: Final = Script.of("beat")
NODES: Final = Script.of("nodes")
SWAP: Final = Script.of("swap")
_SCRIPTS: Final = (APPEND, ENTER, EXIT, BEAT, NODES, SWAP)

_OLDEST: Final = (7, 0)

NOT_DONE: Final = frozenset(
    (
        *("READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOSCRIPT", "BUSY", "OOM", "MISCONF"),
        *("NOREPLICAS", "NOAUTH", "NOPERM", "WRONGPASS"),
    )
)
"""Error replies after which it is certain that nothing was written."""

JUDGED: Final = frozenset(("OOM", "MISCONF", "NOREPLICAS"))
"""Those of them that come from a script's first write: it had looked before whether it was asked already."""

ELSEWHERE: Final = frozenset(("READONLY", "LOADING", "MASTERDOWN", "NOAUTH", "NOSCRIPT"))
"""Those that a new connection may cure."""


class Keys:
    """Names of keys and channels. A topic's share a hash tag, so that they lie on one shard."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.topics = f"{prefix}topics"
        """Hash: topic -> a mark that changes whenever a node enters it."""
        self.nodes = f"{prefix}nodes"
        """Hash: node -> end of its lease, in milliseconds."""
        self.rights = f"{prefix}rights"
        """Hash: participant -> version and amendments."""
        self.seen = f"{prefix}seen"
        """Hash: participant -> base and time of its last join."""
        self.revoked = f"{prefix}revoked"
        """Hash: subject and topic -> revocations."""

    def of(self, topic: str) -> list[str]:
        """In the order in which the scripts expect them."""
        tag = f"{self._prefix}{{t:{topic}}}:"
        return [f"{tag}{name}" for name in _OF_TOPIC]

    def channel(self, topic: str) -> str:
        return f"{self._prefix}{{t:{topic}}}:order"

    def probe(self, node: str) -> str:
        return f"{self._prefix}probe:{node}"


_OF_TOPIC: Final = ("state", "stream", "sizes", "roster", "amended", "changed", "leases", "taken")


class Session:
    """One life of the link to Redis."""

    def __init__(self, link: Link, run_id: str, facts: dict[str, Any]) -> None:
        self.link, self.run_id, self.facts = link, run_id, facts

    @classmethod
    async def open(
        cls, address: Address, name: str, on_message: Callable[[bytes, bytes], None], timeout_s: float
    ) -> Session:
        """
        Connect, log in, load the scripts, and see which server this is.

        Raises:
            BrokerUnavailable: with the reason, for an operator.
        """
        link: Link | None = None
        try:
            async with asyncio.timeout(timeout_s):
                link = await Link.open(address, on_message)
                return await cls._greet(link, address, name)
        except BaseException as error:
            if link is not None:
                link.abort("it was given up")
            if isinstance(error, TimeoutError):
                raise BrokerUnavailable(f"Redis at {address} did not answer in {timeout_s:g} s") from error
            if isinstance(error, OSError | LinkLost | Refused):
                raise BrokerUnavailable(f"Redis at {address}: {error}") from error
            raise

    @classmethod
    async def _greet(cls, link: Link, address: Address, name: str) -> Session:
        hello: list[str | int] = ["HELLO", 3]
        if address.password is not None:
            hello += ["AUTH", address.username or "default", address.password]
        hello += ["SETNAME", f"mcpx-{name}"]
        await link.ask(*hello)
        if address.database:
            await link.ask("SELECT", address.database)
        info = _parse_info(await link.ask("INFO"))
        version = tuple(int(part) for part in re.findall(r"\d+", info.get("redis_version", "0"))[:2])
        if version < _OLDEST:
            raise BrokerUnavailable(
                f"Redis at {address} is {info.get('redis_version')}; 7.0 or newer is needed"
            )
        if info.get("loading", "0") != "0":
            raise BrokerUnavailable(f"Redis at {address} is still loading its data")
        await link.ask_all([["SCRIPT", "LOAD", script.text] for script in _SCRIPTS])
        facts = {"redis": info["redis_version"], **await _durability(link, info)}
        return cls(link, info.get("run_id", ""), facts)

    def call(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[bytes | str | int],
        then: Callable[[Reply], None],
    ) -> None:
        """Call a script with the next flush of the link."""
        self.link.call(["EVALSHA", script.sha, len(keys), *keys, *arguments], then)


def command(script: Script, keys: Sequence[str], *arguments: bytes | str | int) -> list[bytes | str | int]:
    """A script's call as a command, for `Link.ask_all`."""
    return ["EVALSHA", script.sha, len(keys), *keys, *arguments]


def _parse_info(reply: Reply) -> dict[str, str]:
    text = reply.decode() if isinstance(reply, bytes) else str(reply)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


async def _durability(link: Link, info: dict[str, str]) -> dict[str, Any]:
    """What an operator must know: what of what was accepted a crash of Redis may lose."""
    try:
        raw = await link.ask("CONFIG", "GET", "appendonly", "appendfsync", "maxmemory-policy")
    except Refused:
        return {"durability": "unknown: CONFIG GET is not allowed"}
    config = {key.decode(): value.decode() for key, value in raw.items()}
    if config.get("appendonly") != "yes":
        durability = "none: a restart of Redis closes every topic (set appendonly yes)"
    elif config.get("appendfsync") != "always":
        durability = (
            f"appendfsync {config.get('appendfsync')}: a crash may lose the newest; it is told (1012)"
        )
    else:
        durability = "appendfsync always: nothing accepted is lost"
    facts: dict[str, Any] = {"durability": durability}
    policy = config.get("maxmemory-policy", "noeviction")
    if policy.startswith("allkeys") and info.get("maxmemory", "0") != "0":
        facts["warning"] = f"maxmemory-policy {policy} may evict topics and promotions (set noeviction)"
    return facts
