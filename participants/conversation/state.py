"""What one participant knows of its topic."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from capabilities import EMPTY, CapabilitySet
from participants.conversation.calls import CallBook
from participants.conversation.effects import Incoming
from participants.conversation.memory import Misdeeds, SeenIds
from participants.conversation.proposals import ProposalBook
from participants.conversation.repeating import Repeats
from participants.conversation.requests import RequestBook
from participants.conversation.roster import Roster
from schemas import Kind

SERVING_REMEMBERED: Final = 10_000


class Mode(StrEnum):
    """What the gateway delivers (MCPx 6.3, Message Routing)."""

    ALL = "all"
    DIRECTED = "directed"
    """Broadcasts, and what names this participant."""


@dataclass(slots=True)
class TopicState:
    """The memory that hearing fills and speaking reads."""

    topic: str
    mode: Mode
    id: str | None = None
    """Own participant id; `None` before the welcome."""
    capabilities: CapabilitySet = EMPTY
    """What the latest welcome of this connection lists (MCPx 6.2)."""
    roster: Roster = field(default_factory=Roster)
    seen: SeenIds = field(default_factory=SeenIds)
    misdeeds: Misdeeds = field(default_factory=Misdeeds)
    proposals: ProposalBook = field(default_factory=ProposalBook)
    requests: RequestBook = field(default_factory=RequestBook)
    calls: CallBook = field(default_factory=CallBook)
    serving: OrderedDict[str, Incoming] = field(default_factory=OrderedDict[str, Incoming])
    """Requests that this participant has to answer, by envelope id."""
    repeats: Repeats = field(default_factory=Repeats)
    given_up: dict[str, Kind] = field(default_factory=dict[str, Kind])
    """Own proposals whose callers were told that the connection is lost; withdrawn after the next welcome."""

    def serve(self, request: Incoming) -> None:
        """Remember a request until it is answered."""
        self.serving[request.id] = request
        if len(self.serving) > SERVING_REMEMBERED:
            self.serving.popitem(last=False)
