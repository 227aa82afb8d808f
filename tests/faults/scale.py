"""How much of a fault: all that docs and promises name, or a little of each for the everyday suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.faults.fault_proxy import Direction


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds and numbers of one round."""

    outages_s: tuple[float, ...]
    """X1: how long Redis is gone."""
    stops_s: tuple[float, ...]
    """X2: how long it is stopped."""
    silent: tuple[Direction, ...]
    """X3: which directions fall silent, one after the other."""
    resets_s: float
    """X4: how long links are reset every 200 ms."""
    refusals: int
    """X6: of how many kinds."""
    crowd: int
    """X7, X8: members."""
    crowd_topics: int
    lease_s: float
    """X10: how long the clock stays wrong; longer than a node's lease in full."""
    halves: tuple[float, ...]
    """X13: how long one node and then the other sees no Redis."""
    patience_s: float
    """X14: how long is waited for what hangs."""
    slack_s: float
    """How much longer than promised anything may take, on a machine that does other things too."""
    at_once: float
    """X7: the largest share of closes in a tenth of their time, as one sees it who may be held up."""


FULL: Final = Scale(
    outages_s=(1, 30),
    stops_s=(3, 20),
    silent=("up", "down", "both"),
    resets_s=30,
    refusals=5,
    crowd=1000,
    crowd_topics=20,
    lease_s=12,
    halves=(1, 3, 12, 2, 5),
    patience_s=3,
    slack_s=0,
    at_once=0.35,
)
SHORT: Final = Scale(
    outages_s=(1,),
    stops_s=(3,),
    silent=("both",),
    resets_s=3,
    refusals=2,
    crowd=60,
    crowd_topics=3,
    lease_s=1,
    halves=(1, 2),
    patience_s=1,
    slack_s=10,
    at_once=0.7,
)
