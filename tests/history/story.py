"""Histories of one topic as a test tells them: who comes, says and hears what."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from tests.history import (
    Answered,
    AnyEvent,
    Asked,
    Closed,
    Heard,
    Holds,
    Left,
    Opening,
    Quiet,
    Sent,
    check,
    from_lines,
    to_line,
)

ALL: Final = ("mcp/*", "chat")


class Story:
    """A history as it is told: one topic `ops`, and whoever is in it hears what comes."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self._clock = itertools.count()
        self._position = 0
        self.present: dict[str, tuple[str, tuple[str, ...]]] = {}
        """Connection -> participant and what it may do."""
        self.texts: dict[str, str] = {}
        """Id -> what was sent under it."""
        self.held: dict[str, tuple[str, ...]] = {}
        """Connection -> what the store says that it may do, at the end."""

    def tell(self, kind: Callable[..., AnyEvent], **facts: Any) -> None:
        self.events.append(kind(at=float(next(self._clock)), **facts))

    # What the gateway says

    def hears(self, connection: str, text: str) -> None:
        self.tell(Heard, connection=connection, text=text)

    def gateway(self, id: str, kind: str, payload: Any, **members: Any) -> str:
        envelope = {"id": id, "from": "system:gateway", "kind": kind, "payload": payload, **members}
        return orjson.dumps(envelope).decode()

    def welcome(self, connection: str, others: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        participant, held = self.present[connection]
        payload = {
            "you": {"id": participant, "capabilities": held},
            "participants": [{"id": id, "capabilities": its} for id, its in others],
        }
        self.hears(
            connection, self.gateway(f"gw-e-{self._position}-to-{connection}", "system/welcome", payload)
        )

    def presence(self, event: str, participant: str, held: tuple[str, ...] = ()) -> str:
        who: dict[str, Any] = {"id": participant}
        if event == "join":
            who["capabilities"] = held
        return self.gateway(
            f"gw-e-{self._position}-0", "system/presence", {"event": event, "participant": who}
        )

    def refused(self, connection: str, id: str | None, code: str) -> None:
        """It is told; of which envelope (`id`), where that could be read."""
        members = {} if id is None else {"correlation_id": id}
        self.hears(connection, self.gateway(f"err-{id}", "system/error", {"error": code}, **members))

    # What happens

    def opens(self, connection: str, participant: str, base: tuple[str, ...] = ALL, **facts: Any) -> None:
        """It asks to come in."""
        facts = {"topic": "ops", "base": base, "iat": 1, **facts}
        self.tell(Opening, connection=connection, participant=participant, **facts)

    def comes(self, connection: str, participant: str, base: tuple[str, ...] = ALL, **facts: Any) -> None:
        self.opens(connection, participant, base, **facts)
        self._position += 1
        others = [(id, held) for id, held in self.present.values() if id != participant]
        self.present[connection] = (participant, base)
        self.welcome(connection, others)
        for each in self.present:
            self.hears(each, self.presence("join", participant, base))

    def goes(self, connection: str, *, code: int | None = None, in_silence: bool = False) -> None:
        """A connection ends; the others hear it."""
        participant, _ = self.present.pop(connection)
        if code is None:
            self.tell(Left, connection=connection)
        else:
            self.tell(Closed, connection=connection, code=code)
        self._position += 1
        for each in self.present:
            if not in_silence:
                self.hears(each, self.presence("leave", participant))

    def sends(self, connection: str, id: str, kind: str = "chat", **members: Any) -> None:
        is_too_large = members.pop("is_too_large", False)
        envelope = {"id": id, "from": self.present[connection][0], "kind": kind, "payload": {}, **members}
        self.texts[id] = orjson.dumps(envelope).decode()
        self.tell(Sent, connection=connection, id=id, text=self.texts[id], is_too_large=is_too_large)

    def all_hear(self, *ids: str, but: str = "") -> None:
        for id in ids:
            for connection in self.present:
                if connection != but:
                    self.hears(connection, self.texts[id])

    def says(self, connection: str, id: str, kind: str = "chat", **members: Any) -> None:
        """It sends, and everybody hears it."""
        self.sends(connection, id, kind, **members)
        self._position += 1
        self.all_hear(id)

    def amends(self, call: str, act: str, participant: str, pattern: str) -> None:
        """An admin changes a right, and everybody hears of it."""
        self.tell(Asked, call=call, act=act, participant=participant, pattern=pattern)
        self._position += 1
        for connection, (id, held) in list(self.present.items()):
            if id == participant:
                kept = tuple(each for each in held if each != pattern)
                self.present[connection] = (id, (*kept, pattern) if act == "add" else kept)
        for connection, (id, _) in self.present.items():
            if id == participant:
                self.welcome(connection, [other for other in self.present.values() if other[0] != id])
        changed = next(held for id, held in self.present.values() if id == participant)
        for connection, (id, _) in self.present.items():
            if id != participant:
                self.hears(connection, self.presence("join", participant, changed))
        self.tell(Answered, call=call)

    def settles(self) -> list[str]:
        """All is quiet: return what the checker finds, after a trip through JSON lines."""
        self.tell(Quiet)
        for connection, capabilities in self.held.items():
            self.tell(Holds, connection=connection, capabilities=capabilities)
        lines = [to_line(event) for event in self.events]
        assert [to_line(event) for event in from_lines(lines)] == lines
        return check(self.events)


def two() -> Story:
    """Ann and bob have come."""
    story = Story()
    story.comes("a1", "ann")
    story.comes("b1", "bob")
    return story
