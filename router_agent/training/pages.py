"""Turns cases into what the encoder is trained on: sheets of numbers, and what each mask should say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router_agent.models import Slot, ToolPage, page_of
from router_agent.models.layout import MOST_CHOICES, Sheet, sheets
from router_agent.models.wordpiece import Piece, WordPiece
from router_agent.training.cases import Case

UNKNOWN = -1
"""A label that nothing is learned from."""


@dataclass(frozen=True, slots=True)
class Target:
    """What one mask should say; places count the intent's pieces from 1, and 0 is "not given"."""

    start: int = UNKNOWN
    end: int = UNKNOWN
    truth: int = UNKNOWN
    """0 not given, 1 true, 2 false."""
    choice: int = UNKNOWN
    """0 not given, else the choice's number from 1."""


@dataclass(frozen=True, slots=True)
class Page:
    """One sheet with its targets."""

    sheet: Sheet
    relevant: int
    """1 when the tool does what the intent asks for, 0 when not, `UNKNOWN` on a second sheet."""
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """An intent and the text of its tool, with the texts of tools that were not meant."""

    intent: str
    tool: str
    others: tuple[str, ...]


def tool_page(tool: Mapping[str, Any]) -> ToolPage:
    """A case's tool as the encoder sees it."""
    return page_of(str(tool["name"]), str(tool.get("description") or ""), tool.get("parameters") or {})


def pages_of(pieces: WordPiece, case: Case, *, most_wrong: int = 1) -> Iterator[Page]:
    """The right tool's sheets with targets for each slot, and those of some wrong tools without."""
    right = {str(one["name"]): one for one in case.expected}
    wrong = 0
    for tool in case.tools:
        page = tool_page(tool)
        one = right.get(page.name)
        if one is None:
            if wrong < most_wrong:
                wrong += 1
                yield Page(sheets(pieces, case.intent, page)[0], 0, ())
            continue
        given = _flat(one["arguments"])
        for number, sheet in enumerate(sheets(pieces, case.intent, page)):
            slots = page.slots[sheet.first : sheet.first + len(sheet.masks)]
            targets = tuple(_target(slot, given, case.spans, sheet.intent) for slot in slots)
            yield Page(sheet, 1 if number == 0 else UNKNOWN, targets)


def pair_of(case: Case) -> Pair | None:
    """What selection learns from a case that has one right tool."""
    if len(case.expected) != 1:
        return None
    name = case.expected[0]["name"]
    texts = {str(tool["name"]): tool_page(tool).text for tool in case.tools}
    return Pair(case.intent, texts[name], tuple(text for other, text in texts.items() if other != name))


def smaller_vocabulary(full: Sequence[str], texts: Iterable[str], size: int) -> list[str]:
    """
    The pieces worth keeping, in their old order.

    Specials and single characters stay, then those that `texts` use most. An uncased BERT's
    vocabulary is ordered by how common a piece is, so what is left over goes to the first ones.
    """
    pieces = WordPiece(full)
    used = Counter(number for text in texts for number in pieces.ids(text))
    kept = {
        number
        for number, piece in enumerate(full)
        if piece in {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]"}
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


def _target(
    slot: Slot, given: Mapping[str, Any], spans: Mapping[str, tuple[int, int]], words: Sequence[Piece]
) -> Target:
    value = given.get(slot.name)
    if value is None:
        return Target(0, 0, 0 if slot.kind == "boolean" else UNKNOWN, 0 if slot.choices else UNKNOWN)
    truth = choice = start = end = UNKNOWN
    if slot.kind == "boolean" and isinstance(value, bool):
        truth = 1 if value else 2
    if slot.choices and str(value) in slot.choices[:MOST_CHOICES]:
        choice = slot.choices.index(str(value)) + 1
    if slot.name in spans:
        at, to = spans[slot.name]
        inside = [number for number, piece in enumerate(words, 1) if piece.start < to and piece.end > at]
        if inside:
            start, end = inside[0], inside[-1]
    return Target(start, end, truth, choice)
