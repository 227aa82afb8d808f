"""What the core asks of a language model that reads: two questions, answered at once and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from router_agent.models.reading import Reading, ToolPage


class Encoder(Protocol):
    """
    Reads intents and tools.

    It blocks while it computes: whoever serves many callers gives it a thread of its own.
    Without one the router works on, by words and rules.
    """

    def nearness(self, intent: str, texts: Sequence[str]) -> Sequence[float]:
        """Cosines in [-1, 1] between an intent and each text, such as `ToolPage.text`."""
        ...

    def read(self, intent: str, tools: Sequence[ToolPage]) -> Sequence[Reading]:
        """One reading for each tool, in order: does it fit, and where its values stand."""
        ...
