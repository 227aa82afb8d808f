"""What the encoder's token vectors mean: relevance, spans, booleans and choices, by a few products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from router_agent.models.layout import Sheet
from router_agent.models.reading import Slot, SlotReading, SpanReading
from router_agent.models.wordpiece import Piece

LONGEST_SPAN = 64
BEST = 3
_Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heads:
    """Six linear maps; `asked` and `found` hold three parts each: start, end, choice."""

    asked: tuple[_Array, _Array]
    found: tuple[_Array, _Array]
    truth: tuple[_Array, _Array]
    unchosen: tuple[_Array, _Array]
    match: tuple[_Array, _Array]
    relevance: tuple[_Array, _Array]

    @classmethod
    def load(cls, header: Mapping[str, Any]) -> Heads:
        """Take them from a GGUF's key-values, where each row is bytes times a scale."""
        return cls(
            *(_map(header, name) for name in ("asked", "found", "truth", "unchosen", "match", "relevance"))
        )

    def relevant(self, first: _Array) -> float:
        """How probable it is that the tool fits, from the vector of `[CLS]`."""
        return float(1 / (1 + np.exp(-_through(self.relevance, np.tanh(_through(self.match, first)))[0])))

    def slots(self, hidden: _Array, sheet: Sheet, slots: Sequence[Slot], intent: str) -> list[SlotReading]:
        """What each mask of a sheet says; `hidden` has the sheet's token vectors as rows."""
        if not sheet.masks:
            return []
        words = len(sheet.intent) + 1
        width = self.asked[0].shape[0] // 3
        masks = hidden[sheet.masks]
        asked: _Array = _through(self.asked, masks) * np.float32(width**-0.5)
        found = _through(self.found, hidden[:words])
        first, last = slice(width), slice(width, 2 * width)
        starts = _softmax(asked[:, first] @ found[:, first].T)
        ends = _softmax(asked[:, last] @ found[:, last].T)
        truths = _softmax(_through(self.truth, masks))
        unchosen = _through(self.unchosen, masks)
        out = []
        for number, slot in enumerate(slots):
            absent, spans = _spans(starts[number], ends[number], sheet.intent, intent)
            choices: tuple[float, ...] = ()
            if slot.choices:
                keys = _through(self.found, hidden[sheet.markers[number]])[:, 2 * width :]
                scores = np.concatenate([unchosen[number], keys @ asked[number, 2 * width :]])
                shown = tuple(map(float, _softmax(scores[None])[0]))
                choices = shown + (0.0,) * (len(slot.choices) + 1 - len(shown))
            truth = truths[number]
            out.append(
                SlotReading(absent, spans, (float(truth[0]), float(truth[1]), float(truth[2])), choices)
            )
        return out


def _map(header: Mapping[str, Any], name: str) -> tuple[_Array, _Array]:
    scales = np.array(header[f"router.heads.{name}.scales"], dtype=np.float32)
    rows = np.array(header[f"router.heads.{name}.rows"], dtype=np.float32).reshape(len(scales), -1)
    return rows * scales[:, None], np.array(header[f"router.heads.{name}.bias"], dtype=np.float32)


def _through(head: tuple[_Array, _Array], vectors: _Array) -> _Array:
    out: _Array = (vectors @ head[0].T + head[1]).astype(np.float32)
    return out


def _softmax(scores: _Array) -> _Array:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    out: _Array = raised / raised.sum(axis=-1, keepdims=True)
    return out


def _spans(
    start: _Array, end: _Array, words: Sequence[Piece], intent: str
) -> tuple[float, tuple[SpanReading, ...]]:
    """Absence and the best spans: start and end together, the end not before the start."""
    both = np.triu(np.outer(start[1:], end[1:]))
    both -= np.triu(both, LONGEST_SPAN)
    absent = float(start[0] * end[0])
    total = absent + float(both.sum())
    if not total:
        return 1.0, ()
    order = np.argsort(both, axis=None)[::-1][: BEST * 2]
    found: dict[tuple[int, int], float] = {}
    for place in order:
        first, last = divmod(int(place), both.shape[1])
        probability = float(both[first, last]) / total
        if probability < 1e-4:
            break
        span = whole_words(intent, words[first].start, words[last].end)
        found[span] = found.get(span, 0.0) + probability
    best = sorted(found.items(), key=lambda pair: -pair[1])[:BEST]
    return absent / total, tuple(SpanReading(at, to, probability) for (at, to), probability in best)


def whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span that begins or ends inside a run of letters; a number may stand against a unit."""
    while 0 < start < end and text[start - 1].isalpha() and text[start].isalpha():
        start -= 1
    while start < end < len(text) and text[end].isalpha() and text[end - 1].isalpha():
        end += 1
    return start, end
