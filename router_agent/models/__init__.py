"""
Models that the router runs, and what they are shown: the encoder that it ships with, and a user's GGUF.

An encoder reads a tool as a `ToolPage` of `Slot`s; what it says is a `Reading`. `LlamaEncoder` needs
the extra `router` and is imported from its own module.
"""

from router_agent.models.reading import (
    Reading,
    Slot,
    SlotReading,
    SpanReading,
    ToolPage,
    kind_of,
    words_of,
)

__all__ = [
    "Reading",
    "Slot",
    "SlotReading",
    "SpanReading",
    "ToolPage",
    "kind_of",
    "words_of",
]
