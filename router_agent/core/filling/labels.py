"""What a value is called where it stands: "directed by Ann Lee" is for `directed_by` only."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.intents import Intent
from router_agent.core.language.stems import stem
from router_agent.core.language.words import parts_of, sense
from router_agent.core.parameters import Parameter

_Path = tuple[str, ...]

WHOLE: Final = 0.6
"""How far a value comes nearer to certainty that stands behind all of its parameter's name."""
LAST: Final = 0.4
"""The same behind the last words of the name, where no other parameter's name ends so."""
RIVAL: Final = 0.55
"""What is left of a score where the value stands behind another parameter's name."""
HEAD: Final = 0.75
"""What is left where its last word is another parameter's name: a "Golf League" is no team."""
_LINKS: Final = frozenset(
    {"is", "are", "was", "as", "be", "being", "equals", "named", "called", "titled", "by", "saying", "says"}
)
_PARTICIPLES: Final = ("ed", "en")
_LOOSE: Final = frozenset({"of", "to", "the", "a", "an", "at", "equal", "set", "should", "will", "value"})
_MOST_LINKS: Final = 3
_MOST_LAST: Final = 4
"""Words of a name's end that are looked for; a stranger's name may have sixty."""
_STOPS: Final = re.compile(r"[.;!?]\s|[,()\n]")
_ARTICLES: Final = frozenset({"the", "a", "an", "its", "my", "their"})
_AND: Final = re.compile(r"(?:,\s*|\s+)(?:and\s+|then\s+)?(?:the\s+|an?\s+|of\s+)?")
_NEAR: Final = 24
"""Characters between the names in a row and the numbers for them."""
_ASSIGNED: Final = re.compile(r"\s*[:=]\s*['\"“‘`]?")


class Labels:
    """Where the intent has the name of a parameter right before what can be its value."""

    def __init__(self, intent: Intent, parameters: Sequence[Parameter], tool_words: frozenset[str]) -> None:
        """`tool_words` are what the tool is called by: of "radio show Lark", "show" may be no label."""
        self._intent = intent
        names = {one.path: tuple(stem(part) for part in parts_of(one.name)) for one in parameters}
        ends: dict[tuple[str, ...], int] = {}
        for name in names.values():
            for size in range(1, len(name) + 1):
                ends[name[-size:]] = ends.get(name[-size:], 0) + 1
        self._number_starts = [one.start for one in intent.numbers]
        self._at: dict[int, dict[tuple[str, ...], tuple[float, bool]]] = {}
        self._ahead: dict[int, _Path] = {}
        for path, name in names.items():
            sizes = range(len(name), 0, -1)
            for size in (one for one in sizes if one == len(name) or one <= _MOST_LAST):
                label = name[-size:]
                if ends[label] > 1 or (size < len(name) and len(label) == 1 and len(label[0]) < 2):
                    continue
                weight = WHOLE if size == len(name) else LAST
                for word in self._before(label):
                    self._ahead.setdefault(word, path)
                loose = len(label) == 1 and sense(label[0]) in tool_words
                for word, plain in self._behind(label):
                    if loose and not plain:
                        continue
                    self._at.setdefault(word, {}).setdefault(path, (weight, plain))
        for word, path in self._paired(names):
            self._at[word] = {path: (WHOLE, True)}  # and not for the last name, which it stands behind
        heads = {path: name[-1] for path, name in names.items() if name and ends[name[-1:]] == 1}
        self._heads = {head: path for path, head in heads.items() if len(head) > 2}

    def weighed(self, one: Candidate, parameter: Parameter) -> Candidate:
        """Return a candidate, raised behind its own parameter's name, and lowered behind another's."""
        if not one.is_said or parameter.kind == "boolean":
            return one
        intent = self._intent
        first = intent.word_at(one.start)
        score = one.score
        behind = self._at.get(first, {})
        if behind and intent.words[first].start in {one.start, one.start + 1}:
            plain = intent.text[one.start].islower()
            told = {path: weight for path, (weight, is_plain) in behind.items() if is_plain or not plain}
            own = told.get(parameter.path, 0.0)
            if own and own >= max(told.values()):
                score += own * (1 - score)
            elif told and not one.shares:
                score *= RIVAL
        if self._ahead:
            ahead = self._ahead.get(intent.word_at(max(one.start, one.end - 1)))
            if ahead == parameter.path:
                score += LAST * (1 - score)
            elif ahead and not one.shares:
                score *= RIVAL
        if isinstance(one.value, str) and not parameter.choices and one.rule not in {"moment", "quoted"}:
            last = intent.word_at(max(one.start, one.end - 1))
            heads = intent.stems[last] if last < len(intent.words) and last > first else frozenset[str]()
            others = {self._heads[each] for each in heads if each in self._heads}
            if others and parameter.path not in others:
                score *= HEAD
        return one if score == one.score else replace(one, score=min(1.0, score))

    def _paired(self, names: Mapping[_Path, tuple[str, ...]]) -> Iterator[tuple[int, _Path]]:
        """Pair the names in a row with the numbers in a row behind them: "rows and seats are 7 and 9"."""
        intent = self._intent
        by_head = {name[-1]: path for path, name in names.items() if name}
        run: list[_Path] = []
        last = -1
        for place, stems in enumerate(intent.stems):
            here = next((by_head[one] for one in stems if one in by_head), None)
            if here is None:
                continue
            joined = run and _AND.fullmatch(intent.text, intent.words[last].end, intent.words[place].start)
            run, last = ([*run, here] if joined and here not in run else [here]), place
            numbers = self._numbers_after(place, len(run)) if len(run) > 1 else []
            if len(numbers) == len(run):
                yield from zip(numbers, run, strict=True)

    def _numbers_after(self, place: int, most: int) -> list[int]:
        """The words of the numbers that stand in one row soon after a word; no more than one over `most`."""
        intent = self._intent
        out: list[int] = []
        end = intent.words[place].end
        for number in islice(intent.numbers, bisect_left(self._number_starts, end), None):
            if len(out) > most:
                break
            gap = intent.text[end : number.start]
            if not (_AND.fullmatch(gap) if out else len(gap) < _NEAR and not _STOPS.search(gap)):
                break
            out.append(intent.word_at(number.start))
            end = number.unit_end or number.end
        return out

    def _before(self, label: tuple[str, ...]) -> Iterator[int]:
        """Find the words that are said to be what a label says: "use elm as the material"."""
        intent = self._intent
        for at in self._found(label):
            before = at - 1 - (at > 1 and intent.words[at - 1].lower in _ARTICLES)
            if before > 0 and intent.words[before].lower == "as":
                yield before - 1

    def _found(self, label: tuple[str, ...]) -> Iterator[int]:
        """Find the words from which on the intent has a label."""
        stems = self._intent.stems
        for last in self._intent.places.get(label[-1], ()):
            at = last - len(label) + 1
            if at >= 0 and all(one in stems[at + number] for number, one in enumerate(label)):
                yield at

    def _behind(self, label: tuple[str, ...]) -> Iterator[tuple[int, bool]]:
        """
        Find the words that stand behind a label, and whether they may be a plain phrase there.

        "The name of a town" names no town; "the name is otter" and "name: otter" do name one.
        """
        intent = self._intent
        for at in self._found(label):
            last = at + len(label) - 1
            if last + 1 == len(intent.words):
                return
            place, plain = last + 1, label[-1] == "by"
            if _ASSIGNED.fullmatch(intent.text, intent.words[last].end, intent.words[place].start):
                yield place, True
                continue
            for _ in range(_MOST_LINKS):
                word = intent.words[place].lower
                if word not in _LINKS and word not in _LOOSE:
                    break
                if word == "by" and not intent.words[place - 1].lower.endswith(_PARTICIPLES):
                    break  # "finish the tasks by 6"
                plain = plain or word in _LINKS
                place += 1
                if place >= len(intent.words):
                    return
            if not _STOPS.search(intent.text, intent.words[last].end, intent.words[place].start):
                yield place, plain
