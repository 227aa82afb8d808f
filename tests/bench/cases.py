"""What is measured: each case is one run of the load generator against each server that takes part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.bench.servers import PEERS, Name

EVERYBODY: Final = (Name.GATEWAY, Name.C_WRITE, Name.C_COALESCED, *PEERS)
_OURS: Final = (Name.GATEWAY,)
_OURS_AND_C: Final = (Name.GATEWAY, Name.C_COALESCED)


class Figure(StrEnum):
    """The main number of a case, by its name in the load generator's answer."""

    CPU_US = "srv_cpu_us_per"
    """Server CPU time in µs for a delivery, a round trip or a connection."""
    P50_US = "p50_us"
    P99_US = "p99_us"
    KB_PER_CONNECTION = "kb_per_conn"
    SETTLED_S = "settled_s"


@dataclass(frozen=True, slots=True)
class Case:
    """One way to load a server."""

    name: str
    title: str
    arguments: tuple[str, ...]
    servers: tuple[Name, ...] = EVERYBODY
    figure: Figure = Figure.CPU_US
    is_fresh: bool = False
    """Each run gets a server that was just started: what came before would show in memory and caches."""
    warmup: Mapping[str, float] | None = None
    seconds: float | None = None
    """How long it measures, where it needs its own time."""


def _fan(receivers: int, window: int, *, size: int = 300, publishers: int = 1) -> tuple[str, ...]:
    return (
        *("--mode", "fanout", "-n", str(receivers), "-w", str(window), "-s", str(size)),
        *("--pubs", str(publishers)),
    )


def _paced(receivers: int, rate: int, size: int = 300) -> tuple[str, ...]:
    return ("--mode", "latency", "-n", str(receivers), "-r", str(rate), "-s", str(size))


CASES: Final[Sequence[Case]] = (
    Case("fan10-w1", "10 receivers, one at a time", _fan(10, 1)),
    Case("fan10-w32", "10 receivers", _fan(10, 32)),
    Case("fan100-w1", "100 receivers, one at a time", _fan(100, 1)),
    Case("fan100-w32", "100 receivers", _fan(100, 32)),
    Case("pubs16-w16", "16 publishers, 100 receivers", _fan(100, 16, publishers=16)),
    Case("fan1000-w1", "1,000 receivers, one at a time", _fan(1000, 1)),
    Case("fan1000-w32", "1,000 receivers", _fan(1000, 32)),
    Case("fan100-4k", "100 receivers, 4 KiB", _fan(100, 32, size=4096)),
    Case("fan100-64k", "100 receivers, 64 KiB", _fan(100, 8, size=65536)),
    Case("fan100-1m", "100 receivers, 1 MiB", _fan(100, 2, size=1_048_000), _OURS_AND_C),
    Case("paced100", "100 receivers, 100,000 deliveries/s", _paced(100, 1000), figure=Figure.P99_US),
    Case("pair1", "request and response, 1 pair", ("--mode", "pingpong", "--spin")),
    Case("pair32", "request and response, 32 pairs", ("--mode", "pingpong", "--pairs", "32")),
)

BY_NAME: Final[Mapping[str, Case]] = {case.name: case for case in CASES}
