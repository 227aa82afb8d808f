"""What the encoder's vectors mean together: relevance, spans, booleans and choices, by a few products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from router_agent.models.reading import SlotReading, SpanReading
from router_agent.models.wordpiece import Piece

LONGEST_SPAN = 64
BEST = 3
_Array = NDArray[np.float32]
_Map = tuple[_Array, _Array]


@dataclass(frozen=True, slots=True)
class Heads:
    """
    Linear maps, each a matrix and a bias.

    `asked` (of a parameter) and `found` (of a place in the intent) hold three parts each:
    where a value starts, where it ends, and what the parameter looks at in the intent. That
    glance, with the parameter, decides booleans and choices.
    """

    asked: _Map
    found: _Map
    truth: _Map
    chooser: _Map
    choice: _Map
    unchosen: _Map
    match: _Map
    relevance: _Map

    @classmethod
    def load(cls, header: Mapping[str, Any]) -> Heads:
        """Take them from a GGUF's key-values, where each row is bytes times a scale."""
        return cls(**{one.name: _map(header, one.name) for one in fields(cls)})

    def relevant(self, intent: _Array, tool: _Array) -> float:
        """How probable it is that a tool fits, from the mean vectors of both texts."""
        one, other = _unit(intent), _unit(tool)
        both = np.concatenate([one * other, np.abs(one - other)]) * np.float32(len(one) ** 0.5)
        return float(1 / (1 + np.exp(-_through(self.relevance, np.tanh(_through(self.match, both)))[0])))

    def slots(
        self,
        hidden: _Array,
        slots: _Array,
        choices: Sequence[_Array],
        words: Sequence[Piece],
        intent: str,
    ) -> list[SlotReading]:
        """
        What an intent says of each parameter.

        `hidden` are the vectors of `[CLS]` and the intent's `words`; `slots` and `choices` the mean
        vectors of parameters and, for each of these, of its choices.
        """
        if not len(slots):
            return []
        width = self.asked[0].shape[0] // 3
        asked: _Array = _through(self.asked, slots) * np.float32(width**-0.5)
        found = _through(self.found, hidden)
        starts, ends, looks = (
            _softmax(asked[:, part] @ found[:, part].T)
            for part in (slice(width), slice(width, 2 * width), slice(2 * width, 3 * width))
        )
        seen = looks @ hidden
        both = np.concatenate([seen, slots], axis=1)
        truths = _softmax(_through(self.truth, np.concatenate([both, seen * slots], axis=1)))
        chooser = _through(self.chooser, both) * np.float32(width**-0.5)
        unchosen = _through(self.unchosen, both)
        out = []
        for number, offered in enumerate(choices):
            absent, spans = _spans(starts[number], ends[number], words, intent)
            chosen: tuple[float, ...] = ()
            if len(offered):
                scores = np.concatenate([unchosen[number], _through(self.choice, offered) @ chooser[number]])
                chosen = tuple(map(float, _softmax(scores[None])[0]))
            truth = truths[number]
            out.append(
                SlotReading(absent, spans, (float(truth[0]), float(truth[1]), float(truth[2])), chosen)
            )
        return out


def _map(header: Mapping[str, Any], name: str) -> _Map:
    scales = np.array(header[f"router.heads.{name}.scales"], dtype=np.float32)
    rows = np.array(header[f"router.heads.{name}.rows"], dtype=np.float32).reshape(len(scales), -1)
    return rows * scales[:, None], np.array(header[f"router.heads.{name}.bias"], dtype=np.float32)


def _unit(vector: _Array) -> _Array:
    out: _Array = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return out


def _through(head: _Map, vectors: _Array) -> _Array:
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
    if not total or not words:
        return 1.0, ()
    flat = both.ravel()
    likeliest = np.argpartition(flat, -min(2 * BEST, flat.size))[-2 * BEST :]
    found: dict[tuple[int, int], float] = {}
    for place in likeliest[np.argsort(-flat[likeliest])]:
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
