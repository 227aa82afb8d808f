"""What is measured: each case is one run of the load generator against each server that takes part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.bench.servers import PEERS, Name

EVERYBODY: Final = (Name.GATEWAY, Name.C_WRITE, Name.C_COALESCED, *PEERS)
_OURS: Final = (Name.GATEWAY,)
_NODES: Final = (Name.GATEWAY, Name.GATEWAY_REDIS)
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
    is_rehearsed: bool = False
    """The load runs once before it counts: the server has seen these participants and their tokens."""
    seconds: float | None = None
    """How long it measures, where it needs its own time."""


def _fan(receivers: int, window: int, *, size: int = 300, publishers: int = 1) -> tuple[str, ...]:
    return (
        *("--mode", "fanout", "-n", str(receivers), "-w", str(window), "-s", str(size)),
        *("--pubs", str(publishers)),
    )


def _paced(receivers: int, rate: int, size: int = 300) -> tuple[str, ...]:
    return ("--mode", "latency", "-n", str(receivers), "-r", str(rate), "-s", str(size))


def _connections(mode: str, count: int, topics: int) -> tuple[str, ...]:
    return ("--mode", mode, "-c", str(count), "--topics", str(topics), "-k", "64")


FAN_OUT: Final = (
    Case("fan10-w1", "10 receivers, one at a time", _fan(10, 1)),
    Case("fan10-w32", "10 receivers", _fan(10, 32)),
    Case("fan100-w1", "100 receivers, one at a time", _fan(100, 1)),
    Case("fan100-w32", "100 receivers", _fan(100, 32)),
    Case("pubs16-w16", "16 publishers, 100 receivers", _fan(100, 16, publishers=16)),
    Case("fan1000-w1", "1,000 receivers, one at a time", _fan(1000, 1)),
    Case("fan1000-w32", "1,000 receivers", _fan(1000, 32)),
)
SIZES: Final = (
    Case("fan100-4k", "100 receivers, 4 KiB", _fan(100, 32, size=4096)),
    Case("fan100-64k", "100 receivers, 64 KiB", _fan(100, 8, size=65536)),
    Case("fan100-1m", "100 receivers, 1 MiB", _fan(100, 2, size=1_048_000), _OURS_AND_C),
    Case(
        "deflate-4k",
        "100 receivers, 4 KiB, permessage-deflate",
        (*_fan(100, 32, size=4096), "--deflate"),
        (Name.GATEWAY_DEFLATE,),
    ),
)
LATENCY: Final = (
    Case("paced100", "100 receivers, 100,000 deliveries/s", _paced(100, 1000), figure=Figure.P99_US),
    Case("pair1", "request and response, 1 pair", ("--mode", "pingpong", "--spin")),
    Case("pair32", "request and response, 32 pairs", ("--mode", "pingpong", "--pairs", "32")),
    Case(
        "neighbour",
        "a message in another topic, beside 1,000 receivers",
        (*_fan(1000, 32), "--neighbour", "1000"),
        (*_OURS_AND_C, Name.UWEBSOCKETS, Name.NATS),
        Figure.P99_US,
    ),
)
OWN_COST: Final = (
    Case("own-300", "one receiver, 300 B", _fan(1, 32), _OURS_AND_C),
    Case("own-4k", "one receiver, 4 KiB", _fan(1, 32, size=4096), _OURS_AND_C),
    Case("own-64k", "one receiver, 64 KiB", _fan(1, 8, size=65536), _OURS_AND_C),
    Case(
        "own-64k-flat",
        "one receiver, 64 KiB in one string",
        (*_fan(1, 8, size=65536), "--payload", "flat"),
        _OURS_AND_C,
    ),
    Case("own-1m", "one receiver, 1 MiB", _fan(1, 2, size=1_048_000), _OURS_AND_C),
)
NODES: Final = (
    Case("nodes-fan100", "100 receivers on two nodes", _fan(100, 32), _NODES),
    Case("nodes-pubs16", "16 publishers, 100 receivers on two nodes", _fan(100, 16, publishers=16), _NODES),
    Case(
        "nodes-paced100",
        "100 receivers on two nodes, 100,000 deliveries/s",
        _paced(100, 1000),
        _NODES,
        Figure.P50_US,
    ),
)
CONNECTIONS: Final = (
    Case("storm", "connect and go, a token not seen before", _connections("storm", 3000, 300), is_fresh=True),
    Case(
        "reconnect",
        "connect and go, a token seen before",
        _connections("storm", 3000, 300),
        _OURS,
        is_fresh=True,
        is_rehearsed=True,
    ),
    Case(
        "joins1000",
        "1,000 join one topic, and everybody hears of it",
        _connections("joins", 1000, 1),
        _OURS,
        Figure.SETTLED_S,
        is_fresh=True,
    ),
    Case(
        "idle",
        "10,000 idle connections in 1,000 topics",
        (*_connections("idle", 10_000, 1000), "--settle", "1"),
        figure=Figure.KB_PER_CONNECTION,
        is_fresh=True,
        seconds=2.0,
    ),
)
_SLOW: Final = (*_paced(25, 1000, 4096), "--memory")
STALLED: Final = (
    Case("calm", "25 receivers, 4 KiB", _SLOW, _OURS, Figure.P99_US, is_fresh=True, seconds=5.0),
    Case(
        "stalled",
        "25 receivers, 4 KiB, and one that stopped reading",
        (*_SLOW, "--stalled", "1"),
        _OURS,
        Figure.P99_US,
        is_fresh=True,
        seconds=5.0,
    ),
)

CASES: Final[Sequence[Case]] = (
    *FAN_OUT,
    *SIZES,
    *LATENCY,
    *OWN_COST,
    *NODES,
    *CONNECTIONS,
    *STALLED,
)
BY_NAME: Final[Mapping[str, Case]] = {case.name: case for case in CASES}
