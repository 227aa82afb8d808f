"""From connecting to Redis until the link is lost: the scripts loaded, the server known."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.broker.redis_address import Address
from gateway.broker.redis_link import Link, LinkLost, Refused, Reply
from gateway.broker.redis_scripts import SCRIPTS, Script
from gateway.errors import BrokerUnavailable

_OLDEST: Final = (7, 0)


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who is told what a link hears."""

    on_message: Callable[[bytes, bytes], None]
    """Told channel and data."""
    on_dropped: Callable[[bytes], None]
    """Told a channel that another server has now."""
    probe: str = ""
    """The channel on which a node hears itself; none for a link that only asks."""


class Heard:
    """Tells the node's own probes from the rest of what a link hears."""

    def __init__(self, hearing: Hearing) -> None:
        self.hearing, self._probe = hearing, hearing.probe.encode()
        self._time = asyncio.get_running_loop().time
        self.probe_at = self._time()
        """Loop time of the last one."""

    def take(self, channel: bytes, data: bytes) -> None:
        """Take a published message."""
        if channel == self._probe:
            self.probe_at = self._time()
        else:
            self.hearing.on_message(channel, data)

    def drop(self, channel: bytes) -> None:
        """Take that Redis has ended a subscription."""
        self.hearing.on_dropped(channel)


class Session:
    """One life of the link to a Redis server."""

    def __init__(self, link: Link, server: Address, run_id: str, facts: dict[str, Any], heard: Heard) -> None:
        self.link, self.server, self.run_id, self.facts = link, server, run_id, facts
        self._heard = heard

    @classmethod
    async def open(
        cls,
        address: Address,
        name: str,
        hearing: Hearing,
        timeout_s: float,
        *,
        has_heirs: bool = False,
    ) -> Session:
        """
        Connect, log in, load the scripts, see which server this is, and hear a probe.

        `has_heirs`: whether another server may take over from this one.

        Raises:
            BrokerUnavailable: with the reason, for an operator.
        """
        link: Link | None = None
        heard = Heard(hearing)
        try:
            async with asyncio.timeout(timeout_s):
                link = await Link.open(address, heard.take, heard.drop)
                session = await cls._greet(link, address, name, heard, has_heirs=has_heirs)
                if hearing.probe:
                    # A lack of rights should be known before anybody is let in, not at the first envelope.
                    await link.ask_all([["SSUBSCRIBE", hearing.probe], ["SPUBLISH", hearing.probe, ""]])
                return session
        except BaseException as error:
            if link is not None:
                link.abort("it was given up")
            if isinstance(error, TimeoutError):
                raise BrokerUnavailable(f"Redis at {address} did not answer in {timeout_s:g} s") from error
            if isinstance(error, OSError | LinkLost | Refused):
                raise BrokerUnavailable(f"Redis at {address}: {error}") from error
            raise

    @classmethod
    async def _greet(
        cls, link: Link, address: Address, name: str, heard: Heard, *, has_heirs: bool
    ) -> Session:
        await greet(link, address, name)
        if address.database:
            await link.ask("SELECT", address.database)
        info = parse_info(await link.ask("INFO"))
        said = info.get("redis_version", "0")
        if tuple(int(part) for part in re.findall(r"\d+", said)[:2]) < _OLDEST:
            raise BrokerUnavailable(f"Redis at {address} is {said}; 7.0 or newer is needed")
        if info.get("loading", "0") != "0":
            raise BrokerUnavailable(f"Redis at {address} is still loading its data")
        if info.get("role", "master") != "master":
            raise BrokerUnavailable(f"Redis at {address} is a replica; only its master takes writes")
        await link.ask_all([["SCRIPT", "LOAD", script.text] for script in SCRIPTS])
        has_heirs = has_heirs or info.get("connected_slaves", "0") != "0"
        facts = {"server": str(address), "redis": said, **await _durability(link, info, has_heirs=has_heirs)}
        return cls(link, address, info.get("run_id", ""), facts, heard)

    @property
    def probe(self) -> bytes:
        """The channel on which the node hears itself."""
        return self._heard.hearing.probe.encode()

    def send_probe(self) -> None:
        """Publish to ourselves with the next flush: whether the link still hears shows in `deaf_for`."""
        self.link.call(["SPUBLISH", self._heard.hearing.probe, ""], lambda _: None)

    def deaf_for(self, now: float) -> float:
        """For how long the link has heard no probe, in seconds of the loop's clock."""
        return now - self._heard.probe_at

    def call(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[bytes | str | int],
        then: Callable[[Reply], None],
    ) -> None:
        """Call a script with the next flush of the link."""
        self.link.call(["EVALSHA", script.sha, len(keys), *keys, *arguments], then)


async def greet(link: Link, address: Address, name: str) -> None:
    """
    Speak RESP3 and log in: the first thing on every link.

    Raises:
        LinkLost, Refused
    """
    hello: list[str | int] = ["HELLO", 3]
    if address.password is not None:
        hello += ["AUTH", address.username or "default", address.password]
    await link.ask(*hello, "SETNAME", f"mcpx-{name}")


def parse_info(reply: Reply) -> dict[str, str]:
    """Read what `INFO` and its like answer."""
    text = reply.decode() if isinstance(reply, bytes) else str(reply)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


async def _durability(link: Link, info: dict[str, str], *, has_heirs: bool) -> dict[str, Any]:
    """What an operator must know: what of what was accepted a crash of Redis may lose."""
    try:
        raw = await link.ask(
            "CONFIG", "GET", "appendonly", "appendfsync", "maxmemory-policy", "min-replicas-to-write"
        )
    except Refused:
        return {"durability": "unknown: CONFIG GET is not allowed"}
    config = {key.decode(): value.decode() for key, value in raw.items()}
    enough = config.get("min-replicas-to-write", "0")
    if config.get("appendonly") != "yes":
        said = "none: a restart of Redis closes every topic (set appendonly yes)"
    elif config.get("appendfsync") != "always":
        said = f"appendfsync {config.get('appendfsync')}: a crash may lose the newest; it is told (1012)"
    elif not has_heirs:
        said = "appendfsync always: nothing accepted is lost"
    elif enough == "0":
        said = (
            "appendfsync always, but a failover may lose what no replica has; "
            "it is told (1012; set min-replicas-to-write 1)"
        )
    else:
        said = (
            f"appendfsync always, min-replicas-to-write {enough}: "
            "only a failover may lose the newest; it is told (1012)"
        )
    facts: dict[str, Any] = {"durability": said}
    policy = config.get("maxmemory-policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory", "0") != "0":
        facts["warning"] = f"maxmemory-policy {policy} may evict topics and promotions (set noeviction)"
    return facts
