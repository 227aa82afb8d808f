"""
Which texts the encoder is given, in training and in use alike.

An intent, a tool, each parameter and each choice of an enum are read apart: what belongs to
a tool is read once and kept, and an intent is a single short pass however many tools there are.
"""

from __future__ import annotations

from router_agent.models.reading import Slot, ToolPage, words_of
from router_agent.models.wordpiece import WordPiece

INTENT_PIECES = 144
TEXT_PIECES = 64
"""Of a tool, a parameter or a choice."""
SLOT_WORDS = 16
"""Of a parameter's description: what comes later are examples and defaults."""
MOST_CHOICES = 24
MOST_TEXTS = 96
"""Of one tool's parameters and choices: a stranger's schema may have thousands, and everybody would wait."""


def sentence(pieces: WordPiece, text: str, most: int = TEXT_PIECES) -> list[int]:
    """The numbers of one text, between `[CLS]` and `[SEP]`."""
    return [pieces.cls, *pieces.ids(text, most), pieces.sep]


def slot_text(tool: ToolPage, slot: Slot) -> str:
    """`"city ( optional string ) name of the city , get weather"`: what is wanted, and by whom."""
    kind = slot.kind if slot.required else f"optional {slot.kind}"
    told = " ".join(slot.description.split()[:SLOT_WORDS])
    return f"{words_of(slot.name)} ( {kind} ) {told} , {' '.join(words_of(tool.name).split()[:5])}"


def choice_text(slot: Slot, choice: str) -> str:
    """`"metric : unit"`: a choice means little without what is chosen."""
    return f"{choice.replace('_', ' ')} : {words_of(slot.name)}"


def shown(tool: ToolPage) -> list[tuple[str, list[str]]]:
    """The texts of parameters, each with those of its choices; rules alone see what is beyond the limits."""
    out: list[tuple[str, list[str]]] = []
    left = MOST_TEXTS
    for slot in tool.slots:
        if not left:
            break
        read = slot.choices[: min(MOST_CHOICES, left - 1)]
        out.append((slot_text(tool, slot), [choice_text(slot, choice) for choice in read]))
        left -= 1 + len(read)
    return out
