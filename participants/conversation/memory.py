"""Memories that cannot grow without end: nobody fills them up on purpose."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

IDS_REMEMBERED: Final = 32_768
"""Envelope ids kept, to drop doubles; at 1,000 envelopes a second, half a minute."""
SENDERS_COUNTED: Final = 4_096


class SeenIds:
    """
    Which envelope was the first of its id (T29: a replay is dropped).

    The gateway keeps no ids. The window is bounded: an id may come again once
    as many others came in between.
    """

    def __init__(self, limit: int = IDS_REMEMBERED) -> None:
        self._limit = limit
        self._senders: OrderedDict[str, str] = OrderedDict()

    def first_sender(self, id: str, sender: str) -> str | None:
        """Return who used `id` before; `None`: nobody did, and now `sender` has."""
        known = self._senders.get(id)
        if known is None:
            self._senders[id] = sender
            if len(self._senders) > self._limit:
                self._senders.popitem(last=False)
        return known


class Misdeeds:
    """How often each sender broke a rule (MCPx 4.3, Participant Validation)."""

    def __init__(self, limit: int = SENDERS_COUNTED) -> None:
        self._limit = limit
        self.counts: OrderedDict[str, int] = OrderedDict()
        """By sender; what could not be read counts under the empty name."""

    def count(self, sender: str) -> None:
        """Count one more; who was quiet longest is forgotten first."""
        self.counts[sender] = self.counts.get(sender, 0) + 1
        self.counts.move_to_end(sender)
        if len(self.counts) > self._limit:
            self.counts.popitem(last=False)
