"""A minute for CI: has the gateway fallen far behind the C reference that ran beside it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.cases import Figure
from tests.bench.results import Results
from tests.bench.servers import Name

ROUNDS: Final = 3
SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Floor:
    """
    How much of the reference's thrift the gateway must keep: its CPU time / the gateway's.

    Floors lie at half of the bars and less (a round trip is four deliveries here
    and two there), and the best round counts: a busy
    machine does not break them, and losing the coalescing or the direct path does.
    """

    case: str
    reference: Name
    at_least: float


FLOORS: Final[Sequence[Floor]] = (
    Floor("fan100-w1", Name.C_WRITE, 0.40),
    Floor("fan100-w32", Name.C_COALESCED, 0.30),
    Floor("pubs16-w16", Name.C_COALESCED, 0.25),
    Floor("fan100-4k", Name.C_COALESCED, 0.40),
    Floor("pair1", Name.C_WRITE, 0.15),
    Floor("pair32", Name.C_WRITE, 0.10),
)

CASES: Final = tuple(floor.case for floor in FLOORS)
SERVERS: Final = (Name.GATEWAY, Name.C_WRITE, Name.C_COALESCED)


def fallen(results: Results) -> list[str]:
    """Return a sentence for each floor that no round reached, or that was not measured."""
    told = []
    for floor in FLOORS:
        ratio = results.ratio(floor.case, Figure.CPU_US, floor.reference, Name.GATEWAY)
        if ratio is None:
            told.append(f"{floor.case}: not measured")
        elif ratio.high < floor.at_least:
            best = f"{ratio.high:.2f} of {floor.reference} at best"
            told.append(f"{floor.case}: {best}, and {floor.at_least:.2f} is the floor")
    return told
