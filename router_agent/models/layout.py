"""
How an intent and a tool are laid out for the encoder, in training and in use alike.

    [CLS] intent [SEP] tool : description [SEP] [MASK] name ( type ) description [unused1] choice …

Each `[MASK]` stands for a slot and each `[unused1]` for a choice of it: their vectors are
what the heads read. A tool with more slots than one page holds gets several pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from router_agent.models.reading import Slot, ToolPage, words_of
from router_agent.models.wordpiece import Piece, WordPiece

INTENT_PIECES = 144
DESCRIPTION_PIECES = 40
SLOT_PIECES = 30
CHOICE_PIECES = 6
MOST_CHOICES = 24
PAGE_PIECES = 320
"""A page that grew past this ends; the encoder was trained on up to 512."""
SENTENCE_PIECES = 80


@dataclass(slots=True)
class Sheet:
    """One page in numbers: what goes into the encoder, and where to look in what comes out."""

    ids: list[int]
    intent: list[Piece]
    """The intent's pieces; they stand at places 1, 2, … of the sheet."""
    masks: list[int] = field(default_factory=list)
    """The place of each slot's mask."""
    markers: list[list[int]] = field(default_factory=list)
    """For each slot, the places of its choices' markers."""
    first: int = 0
    """The number of the first slot on this sheet."""


def sheets(pieces: WordPiece, intent: str, tool: ToolPage) -> list[Sheet]:
    """Lay an intent and a tool out; at least one sheet, slots in order."""
    return sheets_of(pieces, pieces.pieces(intent, INTENT_PIECES), tool)


def sheets_of(pieces: WordPiece, words: list[Piece], tool: ToolPage) -> list[Sheet]:
    """As `sheets`, for an intent that was cut already."""
    head = [pieces.cls, *(piece.id for piece in words), pieces.sep]
    head += pieces.ids(f"{words_of(tool.name)} : {tool.description}", DESCRIPTION_PIECES)
    head.append(pieces.sep)
    out = [Sheet(list(head), words)]
    for number, slot in enumerate(tool.slots):
        block, markers = _block(pieces, slot)
        if out[-1].masks and len(out[-1].ids) + len(block) > PAGE_PIECES:
            out.append(Sheet(list(head), words, first=number))
        at = len(out[-1].ids)
        out[-1].masks.append(at)
        out[-1].markers.append([at + place for place in markers])
        out[-1].ids += block
    return out


def sentence(pieces: WordPiece, text: str) -> list[int]:
    """The numbers of one text whose mean vector is wanted."""
    return [pieces.cls, *pieces.ids(text, SENTENCE_PIECES), pieces.sep]


def _block(pieces: WordPiece, slot: Slot) -> tuple[list[int], list[int]]:
    kind = slot.kind if slot.required else f"optional {slot.kind}"
    ids = [pieces.mask, *pieces.ids(f"{words_of(slot.name)} ( {kind} ) {slot.description}", SLOT_PIECES)]
    markers: list[int] = []
    for choice in shown_choices(slot.choices):
        markers.append(len(ids))
        ids += [pieces.choice, *pieces.ids(choice.replace("_", " "), CHOICE_PIECES)]
    return ids, markers


def shown_choices(choices: Sequence[str]) -> Sequence[str]:
    """The choices that get a marker: an enum longer than this is met by its words alone."""
    return choices[:MOST_CHOICES]
