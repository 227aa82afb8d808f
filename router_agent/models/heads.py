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
class Heard:
    """An intent as the heads see it, whatever it is asked about."""

    words: Sequence[Piece]
    unit: _Array
    """Its mean vector, of length one."""
    hidden: _Array
    """The vectors of `[CLS]` and the words, a row each."""
    found: _Array
    """What each of these may be: a start, an end, something to look at."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool as the heads see it, whatever is said."""

    unit: _Array
    """Its mean vector, of length one."""
    slots: _Array
    """The mean vectors of its parameters, a row each."""
    asked: _Array
    """What each of these looks for: a start, an end, something to look at."""
    choices: Mapping[int, _Array]
    """By the number of a parameter that has some, what each choice is, a row each."""


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

    def hear(self, hidden: _Array, words: Sequence[Piece]) -> Heard:
        """Take what they need of an intent; `hidden` are the vectors of `[CLS]`, its `words` and `[SEP]`."""
        said = hidden[: len(words) + 1]
        return Heard(words, _unit(hidden.mean(axis=0)), said, _through(self.found, said))

    def ask(self, tool: _Array, slots: _Array, choices: Sequence[_Array]) -> Asked:
        """
        Take what they need of a tool.

        `tool` is its mean vector, `slots` and `choices` those of its parameters and, for each of
        these, of its choices.
        """
        width = np.float32(len(self.choice[1]) ** -0.5)
        asked: _Array = _through(self.asked, slots) * width
        offered = {
            number: _through(self.choice, rows) * width for number, rows in enumerate(choices) if len(rows)
        }
        return Asked(_unit(tool), slots, asked, offered)

    def relevant(self, heard: Heard, asked: Asked) -> float:
        """How probable it is that a tool fits an intent."""
        one, other = heard.unit, asked.unit
        both = np.concatenate([one * other, np.abs(one - other)]) * np.float32(len(one) ** 0.5)
        return float(1 / (1 + np.exp(-_through(self.relevance, np.tanh(_through(self.match, both)))[0])))

    def slots(self, heard: Heard, asked: Asked, intent: str) -> list[SlotReading]:
        """What an intent says of each parameter of a tool."""
        if not len(asked.slots):
            return []
        width = asked.asked.shape[1] // 3
        starts, ends, looks = (
            _softmax(asked.asked[:, part] @ heard.found[:, part].T)
            for part in (slice(width), slice(width, 2 * width), slice(2 * width, 3 * width))
        )
        seen = looks @ heard.hidden
        both = np.concatenate([seen, asked.slots], axis=1)
        truths = _softmax(_through(self.truth, np.concatenate([both, seen * asked.slots], axis=1)))
        chosen = self._chosen(both, asked)
        out = []
        for number, truth in enumerate(truths):
            absent, spans = _spans(starts[number], ends[number], heard.words, intent)
            three = float(truth[0]), float(truth[1]), float(truth[2])
            out.append(SlotReading(absent, spans, three, chosen.get(number, ())))
        return out

    def _chosen(self, both: _Array, asked: Asked) -> dict[int, tuple[float, ...]]:
        """Of parameters with choices, how probable each is, that none was said first."""
        rows = list(asked.choices)
        if not rows:
            return {}
        choosers, unchosen = _through(self.chooser, both[rows]), _through(self.unchosen, both[rows])
        scores = (
            np.concatenate([none, asked.choices[row] @ chooser])
            for row, chooser, none in zip(rows, choosers, unchosen, strict=True)
        )
        return {row: tuple(map(float, _softmax(one[None])[0])) for row, one in zip(rows, scores, strict=True)}


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
