"""Turns cases into what the encoder is trained on: texts, and what is right about them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router_agent.core import Tool
from router_agent.models import Slot, ToolPage
from router_agent.models.layout import INTENT_PIECES, choice_text, slot_text
from router_agent.models.wordpiece import Piece, WordPiece
from router_agent.training.cases import Case

UNKNOWN = -1
"""A label that nothing is learned from."""
MOST_ABSENT = 3
"""Parameters of a tool that were not said and are asked for in one lesson: more teach the same."""
MOST_CHOICES = 8


@dataclass(frozen=True, slots=True)
class Question:
    """One parameter, and what is right of it; places count the intent's pieces from 1, 0 is "not given"."""

    slot: str
    choices: tuple[str, ...] = ()
    start: int = UNKNOWN
    end: int = UNKNOWN
    truth: int = UNKNOWN
    """0 not given, 1 true, 2 false."""
    choice: int = UNKNOWN
    """0 not given, else the choice's number from 1."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as a text; equal purposes are one tool, whatever its names are."""

    text: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """An intent, the tool that it wants if any, some that it does not want, and its parameters."""

    words: tuple[Piece, ...]
    tool: Offer | None
    others: tuple[Offer, ...]
    questions: tuple[Question, ...]


def tool_page(tool: Mapping[str, Any]) -> ToolPage:
    """A case's tool as the encoder will see it in use."""
    read = Tool.read("", tool)
    assert read is not None, f"a case offers {tool.get('name')!r}, which is no tool"
    return read.page


def lesson_of(pieces: WordPiece, case: Case, draw: random.Random, most_others: int = 1) -> Lesson:
    """What a case teaches, of one of the calls that it expects if there are several."""
    words = tuple(pieces.pieces(case.intent, INTENT_PIECES))
    expected = draw.choice(list(case.expected)) if case.expected else None
    right = {str(one["name"]) for one in case.expected}
    wrong = [tool for tool in case.tools if str(tool["name"]) not in right]
    others = tuple(map(_offer, draw.sample(wrong, min(most_others, len(wrong)))))
    if expected is None:
        return Lesson(words, None, others, ())
    tool = next(tool for tool in case.tools if tool["name"] == expected["name"])
    page, given = tool_page(tool), _flat(expected["arguments"])
    absent = [slot.name for slot in page.slots if slot.name not in given]
    asked = set(draw.sample(absent, min(MOST_ABSENT, len(absent)))) | set(given)
    questions = tuple(
        _question(page, slot, given.get(slot.name), case.spans.get(slot.name), words, draw)
        for slot in page.slots
        if slot.name in asked
    )
    return Lesson(words, _offer(tool), others, questions)


def _offer(tool: Mapping[str, Any]) -> Offer:
    page = tool_page(tool)
    return Offer(page.text, page.description or page.name)


def _question(
    page: ToolPage,
    slot: Slot,
    value: Any,
    span: tuple[int, int] | None,
    words: Sequence[Piece],
    draw: random.Random,
) -> Question:
    text, choices = slot_text(page, slot), _shown(slot, value, draw)
    offered = tuple(choice_text(slot, choice) for choice in choices)
    if value is None:
        unsaid = 0 if slot.kind == "boolean" else UNKNOWN
        return Question(text, offered, 0, 0, unsaid, 0 if offered else UNKNOWN)
    truth = choice = start = end = UNKNOWN
    if slot.kind == "boolean" and isinstance(value, bool):
        truth = 1 if value else 2
    if str(value) in choices:
        choice = choices.index(str(value)) + 1
    if span is not None:
        at, to = span
        inside = [number for number, piece in enumerate(words, 1) if piece.start < to and piece.end > at]
        if inside:
            start, end = inside[0], inside[-1]
    return Question(text, offered, start, end, truth, choice)


def _shown(slot: Slot, value: Any, draw: random.Random) -> list[str]:
    """Some of an enum's choices, the right one among them."""
    choices = list(slot.choices)
    if len(choices) > MOST_CHOICES:
        kept = draw.sample(choices, MOST_CHOICES)
        choices = [one for one in choices if one in kept or one == str(value)]
    return choices


def smaller_vocabulary(full: Sequence[str], texts: Iterable[str], size: int) -> list[str]:
    """
    The pieces worth keeping, in their old order.

    Specials and single characters stay, then those that `texts` use most. An uncased BERT's
    vocabulary is ordered by how common a piece is, so what is left over goes to the first ones.
    """
    pieces = WordPiece(full)
    used = Counter(number for text in texts for number in pieces.ids(text))
    kept = {
        number for number, piece in enumerate(full) if piece in {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    }
    kept |= {
        number for number, piece in enumerate(full) if len(piece.removeprefix("##")) == 1 and piece.isascii()
    }
    common = [
        number for number, count in sorted(used.items(), key=lambda pair: (-pair[1], pair[0])) if count >= 3
    ]
    ordered = [
        *common[: size * 3 // 4],
        *(number for number, piece in enumerate(full) if piece[0] != "[" and piece.isascii()),
    ]
    for number in ordered:
        if len(kept) >= size:
            break
        kept.add(number)
    return [full[number] for number in sorted(kept)]


def _flat(arguments: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Accepted values by dotted slot name; of several, the first that is one."""
    out: dict[str, Any] = {}
    for key, accepted in arguments.items():
        values = accepted if isinstance(accepted, list) and not prefix else [accepted]
        first = next((value for value in values if value != ""), None)
        if isinstance(first, Mapping):
            out |= _flat(first, f"{prefix}{key}.")
        elif first is not None:
            out[prefix + key] = first
    return out
