"""Who is present, and what they may send (MCPx 3.4, 3.5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from capabilities import CapabilitySet, PatternError
from participants.conversation.events import Peer
from schemas import Kind, ParticipantRecord


def peer_of(record: ParticipantRecord) -> Peer:
    """
    Return a roster entry.

    A pattern that this reader refuses grants nothing here; the others count.
    """
    return Peer(record.id, _capabilities(record.capabilities))


def _capabilities(patterns: Iterable[str]) -> CapabilitySet:
    texts = list(patterns)
    try:
        return CapabilitySet.of(texts)
    except PatternError:
        return CapabilitySet.of(text for text in texts if _is_pattern(text))


def _is_pattern(text: str) -> bool:
    try:
        CapabilitySet.of([text])
    except PatternError:
        return False
    return True


class Roster:
    """Everyone present, this participant included."""

    def __init__(self) -> None:
        self._peers: dict[str, Peer] = {}
        self.view: Mapping[str, Peer] = MappingProxyType(self._peers)
        """By id; changes as people come and go."""

    def replace(self, peers: Iterable[Peer]) -> None:
        """Begin anew, as a welcome says."""
        self._peers.clear()
        self._peers.update((peer.id, peer) for peer in peers)

    def join(self, peer: Peer) -> None:
        """Add somebody, or give them their new capabilities."""
        self._peers[peer.id] = peer

    def leave(self, id: str) -> Peer | None:
        """Remove somebody whose last connection ended."""
        return self._peers.pop(id, None)

    def grants(self, id: str, kind: Kind) -> bool:
        """Whether somebody present holds a capability for `kind`."""
        peer = self._peers.get(id)
        return peer is not None and peer.capabilities.grants(kind)

    def __contains__(self, id: str) -> bool:
        return id in self._peers
