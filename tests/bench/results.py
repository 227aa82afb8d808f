"""Results: one row for each run, medians over rounds, and ratios paired by round."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """What one run of a case against one server gave."""

    case: str
    server: str
    round: int
    figures: Mapping[str, float]
    """By the load generator's names; CPU and latency in µs."""

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Row:
        """Read what `to_json` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, and the lowest and highest of them."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Summarize; None when there is nothing."""
        return cls(median(values), min(values), max(values), len(values)) if values else None


class Results:
    """Everything that some rounds gave, to be asked for medians and ratios."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)
        self._runs = {(row.case, row.server, row.round): row.figures for row in self.rows}

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read the lines that `Row.to_json` wrote."""
        return cls(Row.from_json(line) for line in path.read_text().splitlines() if line)

    @property
    def cases(self) -> list[str]:
        """The cases that were run, in order."""
        return list(dict.fromkeys(row.case for row in self.rows))

    def servers(self, case: str | None = None) -> list[str]:
        """Return who took part, in order."""
        return list(dict.fromkeys(row.server for row in self.rows if case in (None, row.case)))

    def values(self, case: str, server: str, figure: str) -> dict[int, float]:
        """Return a figure by round; rounds that lack it are left out."""
        return {
            number: figures[figure]
            for (of_case, of_server, number), figures in self._runs.items()
            if of_case == case and of_server == server and figure in figures
        }

    def spread(self, case: str, server: str, figure: str) -> Spread | None:
        """Return the median of a figure, and its spread."""
        return Spread.of(list(self.values(case, server, figure).values()))

    def ratio(
        self, case: str, figure: str, over: str, under: str, *, under_case: str | None = None
    ) -> Spread | None:
        """Divide server `over`'s figure by server `under`'s, round by round: a slow moment hit both."""
        tops, bottoms = self.values(case, over, figure), self.values(under_case or case, under, figure)
        return Spread.of([top / bottoms[number] for number, top in tops.items() if bottoms.get(number)])

    def difference(self, case: str, figure: str, of: str, less: str) -> Spread | None:
        """Subtract server `less`'s figure from server `of`'s, round by round."""
        whole, part = self.values(case, of, figure), self.values(case, less, figure)
        return Spread.of([value - part[number] for number, value in whole.items() if number in part])
