"""Who is in a topic and what each may do, as the order of its entries says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from capabilities import Amendment, effective
from gateway.core.entries import Amended, ConnectionRecord, Joined
from gateway.core.system import participant_entry
from schemas import JsonObject


class Roster:
    """
    The live connections of a topic, on every node.

    One participant may hold several connections; the roster shows the union
    of what they may do, in the order in which it was granted.
    """

    __slots__ = ("_amendments", "_connections", "_effective", "_promoted", "_records", "_shown")

    def __init__(self) -> None:
        self._records: dict[str, ConnectionRecord] = {}
        self._effective: dict[str, tuple[str, ...]] = {}
        """By connection."""
        self._connections: dict[str, tuple[str, ...]] = {}
        """By participant, in order of joining."""
        self._amendments: dict[str, tuple[int, Sequence[Amendment]]] = {}
        self._promoted: dict[str, None] = {}
        """Participants with an amendment in force: all who are looked at when time passes."""
        self._shown: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, connection: str) -> bool:
        return connection in self._records

    @property
    def records(self) -> Iterable[ConnectionRecord]:
        return self._records.values()

    def capabilities(self, participant: str) -> tuple[str, ...]:
        """What the participant may do, by any of its connections; empty when it is not here."""
        return self._shown.get(participant, ())

    def participants(self, *, without: str | None = None) -> Iterator[JsonObject]:
        """
        Each participant as a welcome lists it (MCPx 3.5.1), in order of their ids.

        The order of joining would differ between a node that saw somebody's
        first connection and one that came after it had ended.
        """
        for id in sorted(self._shown):
            if id != without:
                yield participant_entry(id, self._shown[id])

    def connections_of(self, node: str) -> list[ConnectionRecord]:
        """The connections that one node holds."""
        return [record for record in self._records.values() if record.node == node]

    def of(self, participant: str) -> tuple[str, ...]:
        """The connections of one participant, in order of joining."""
        return self._connections.get(participant, ())

    def amendments_of(self, participant: str) -> tuple[int, Sequence[Amendment]]:
        """The promotions of one who is here, and their version."""
        return self._amendments[participant]

    def effective(self, connection: str) -> tuple[str, ...]:
        """What one connection may do."""
        return self._effective[connection]

    def join(self, entry: Joined) -> None:
        """Add a connection."""
        record = entry.record
        participant, connection = record.participant, record.connection
        self._records[connection] = record
        others = self._connections.get(participant)
        if others is None and not entry.version and not entry.amendments:
            # As the general way has it; nearly everybody comes so.
            self._amendments[participant] = _UNAMENDED
            self._connections[participant] = (connection,)
            self._effective[connection] = self._shown[participant] = record.base
            return
        self._keep_newer(participant, entry.version, entry.amendments)
        self._connections[participant] = (*(others or ()), connection)
        self._recompute(participant, record.at)

    def leave(self, connection: str) -> tuple[str, bool] | None:
        """
        Remove a connection. Return its participant and whether what the roster shows has changed.

        `None` if it is not here: an end that was told before. What the others of
        the participant may do stays: a promotion whose time is over ends with its
        own entry, or a node that starts from a later snapshot would show another roster.
        """
        record = self._records.pop(connection, None)
        if record is None:
            return None
        del self._effective[connection]
        at = (connections := self._connections[record.participant]).index(connection)
        self._connections[record.participant] = connections[:at] + connections[at + 1 :]
        return record.participant, self._show(record.participant)

    def amend(self, entry: Amended) -> bool:
        """Change a participant's rights. Return whether the entry is newer than what was known."""
        if not self._keep_newer(entry.participant, entry.version, entry.amendments):
            return False
        self._recompute(entry.participant, entry.at)
        return True

    @property
    def has_promotions(self) -> bool:
        """Whether anybody here holds one."""
        return bool(self._promoted)

    def expired(self, now: float) -> list[str]:
        """Participants that hold a promotion whose time is over (Unix seconds)."""
        return [
            participant
            for participant in self._promoted
            if not all(
                change.is_live(now)
                for amendment in self._amendments[participant][1]
                for change in amendment.changes
            )
        ]

    def _keep_newer(self, participant: str, version: int, amendments: list[dict[str, Any]]) -> bool:
        known = self._amendments.get(participant)
        if known is not None and known[0] > version:
            return False
        in_force = tuple(Amendment.from_json(amendment) for amendment in amendments)
        self._amendments[participant] = (version, in_force) if version or in_force else _UNAMENDED
        if in_force:
            self._promoted[participant] = None
        else:
            self._promoted.pop(participant, None)
        return True

    def _recompute(self, participant: str, at: float) -> bool:
        _, amendments = self._amendments[participant]
        for connection in self.of(participant):
            base = self._records[connection].base
            self._effective[connection] = effective(base, amendments, at) if amendments else base
        return self._show(participant)

    def _show(self, participant: str) -> bool:
        connections = self.of(participant)
        if not connections:
            self._connections.pop(participant, None)
            self._amendments.pop(participant, None)
            self._promoted.pop(participant, None)
            return self._shown.pop(participant, None) is not None
        shown = self._effective[connections[0]]
        if len(connections) > 1:
            shown = tuple(dict.fromkeys(each for one in connections for each in self._effective[one]))
        before = self._shown.get(participant)
        self._shown[participant] = shown
        return before is None or set(before) != set(shown)


_UNAMENDED: Final[tuple[int, Sequence[Amendment]]] = (0, ())
"""Nearly everybody, so they share it."""
