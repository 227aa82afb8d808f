"""Names of keys and channels, and where a cluster keeps them."""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

SLOTS: Final = 16384
"""Of a cluster."""


class Keys:
    """
    Names of keys and channels.

    A topic's share a hash tag, so that they lie on one shard of a cluster; so
    do those of the whole store, that joining takes two shards and not six.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        store = f"{prefix}{{store}}:"
        self.topics = f"{store}topics"
        """Hash: topic -> a mark that changes whenever a node enters it."""
        self.nodes = f"{store}nodes"
        """Hash: node -> end of its lease, in milliseconds."""
        self.rights = f"{store}rights"
        """Hash: participant -> version and amendments."""
        self.seen = f"{store}seen"
        """Hash: participant -> base and time of its last join."""
        self.revoked = f"{store}revoked"
        """Hash: subject and topic -> revocations."""

    def of(self, topic: str) -> list[str]:
        """In the order in which the scripts expect them."""
        tag = f"{self._prefix}{{t:{topic}}}:"
        return [f"{tag}{name}" for name in _OF_TOPIC]

    def channel(self, topic: str) -> str:
        return f"{self._prefix}{{t:{topic}}}:order"

    def probe(self, node: str, tag: int = 0) -> str:
        """Where a node hears itself; `tag` finds a shard."""
        return f"{self._prefix}{{probe{tag}}}:{node}"


_OF_TOPIC: Final = ("state", "stream", "sizes", "roster", "amended", "changed", "leases", "taken")


def slot_of(key: str | bytes) -> int:
    """Return the slot of a key or channel: of what stands in the first braces, if something does."""
    name = key.encode() if isinstance(key, str) else key
    _, brace, rest = name.partition(b"{")
    tag, end, _ = rest.partition(b"}")
    return crc_hqx(tag if brace and end and tag else name, 0) % SLOTS
