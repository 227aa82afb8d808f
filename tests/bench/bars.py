"""The bars that the gateway is held to: ratios of one run, each with all checks on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.bench.cases import Figure
from tests.bench.results import Results, Spread
from tests.bench.servers import PEERS, TITLES, Name

Value = Callable[[Results], Spread | None]

_US_PER_MESSAGE: Final = 8.0
_US_PER_KIB: Final = 0.75
_OUTBOX_KB: Final = 8192
_FRAME_KB: Final = 2048
"""What a stalled receiver may cost beside its outbox: the transport's own buffer, and the allocator's."""


class Verdict(StrEnum):
    """What came of a bar."""

    HELD = "held"
    MISSED = "missed"
    UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Bar:
    """One number and the side of a limit on which it must be."""

    number: int
    claim: str
    value: Value
    limit: float
    is_floor: bool
    """The value must be at least the limit; else at most."""
    moonshot: float | None = None

    def judge(self, results: Results) -> Judgement:
        """Return the value's median and spread, and whether the median holds."""
        spread = self.value(results)
        return Judgement(self, spread, Verdict.UNKNOWN if spread is None else self._verdict(spread.median))

    def _verdict(self, value: float) -> Verdict:
        return Verdict.HELD if self.is_beyond(value, self.limit) else Verdict.MISSED

    def is_beyond(self, value: float, limit: float) -> bool:
        """Whether `value` is on the right side of `limit`."""
        return value >= limit if self.is_floor else value <= limit


@dataclass(frozen=True, slots=True)
class Judgement:
    """A bar, what was measured, and what that means."""

    bar: Bar
    spread: Spread | None
    verdict: Verdict

    @property
    def reaches_the_moon(self) -> bool:
        """Whether the harder limit holds, too."""
        moonshot = self.bar.moonshot
        return (
            moonshot is not None
            and self.spread is not None
            and self.bar.is_beyond(self.spread.median, moonshot)
        )


def _thrift(number: int, case: str, other: Name, limit: float, moonshot: float | None = None) -> Bar:
    """CPU per unit of another server over the gateway's: 1 is as cheap, more is cheaper."""
    return Bar(
        number,
        f"{case}: CPU of {TITLES[other]} / gateway's",
        lambda results: results.ratio(case, Figure.CPU_US, other, Name.GATEWAY),
        limit,
        is_floor=True,
        moonshot=moonshot,
    )


def _delay(number: int, case: str, figure: Figure, other: Name, limit: float) -> Bar:
    """The gateway's latency over another server's: less is quicker."""
    return Bar(
        number,
        f"{case}: {figure.removesuffix('_us')} of gateway / {TITLES[other]}'s",
        lambda results: results.ratio(case, figure, Name.GATEWAY, other),
        limit,
        is_floor=False,
    )


def _at_most(
    number: int,
    case: str,
    figure: str,
    limit: float,
    *,
    what: str,
    server: Name = Name.GATEWAY,
    moonshot: float | None = None,
) -> Bar:
    return Bar(
        number,
        f"{case}: {what}",
        lambda results: results.spread(case, server, figure),
        limit,
        is_floor=False,
        moonshot=moonshot,
    )


def _nodes(case: str, figure: Figure, limit: float, moonshot: float) -> Bar:
    what = "CPU" if figure is Figure.CPU_US else figure.removesuffix("_us")
    return Bar(
        12,
        f"{case}: {what} of two nodes / one's",
        lambda results: results.ratio(case, figure, Name.GATEWAY_REDIS, Name.GATEWAY),
        limit,
        is_floor=False,
        moonshot=moonshot,
    )


def _own_cost(case: str, kib: float) -> Bar:
    """What a published message costs beyond what the kernel takes, by the C reference, for the same."""
    return Bar(
        10,
        f"{case}: µs a message beyond C's",
        lambda results: results.difference(case, Figure.CPU_US, Name.GATEWAY, Name.C_COALESCED),
        round(_US_PER_MESSAGE + _US_PER_KIB * kib, 2),
        is_floor=False,
    )


def _connects_per_s(results: Results) -> Spread | None:
    costs = results.values("reconnect", Name.GATEWAY, Figure.CPU_US)
    return Spread.of([1e6 / cost for cost in costs.values() if cost])


def _structure(results: Results) -> Spread | None:
    """Return how much dearer a payload of many small values is than one long string of the same size."""
    return results.ratio("own-64k", Figure.CPU_US, Name.GATEWAY, Name.GATEWAY, under_case="own-64k-flat")


def _others_with_a_stalled_one(results: Results) -> Spread | None:
    return results.ratio("stalled", Figure.P99_US, Name.GATEWAY, Name.GATEWAY, under_case="calm")


def _closed_with_4413(results: Results) -> Spread | None:
    return results.spread("stalled", Name.GATEWAY, "stalled_code")


def _bars() -> Iterable[Bar]:
    yield _thrift(1, "fan100-w32", Name.C_COALESCED, 0.75, 0.90)
    yield _thrift(1, "fan100-w32", Name.NATS, 2.3)
    yield _thrift(1, "fan100-w32", Name.UWEBSOCKETS, 1.1)
    yield _thrift(1, "fan100-w32", Name.WS, 25)
    yield _thrift(1, "fan100-w32", Name.STARLETTE, 35)

    yield _thrift(2, "fan100-w1", Name.C_WRITE, 0.85, 0.95)
    yield _thrift(2, "fan100-w1", Name.NATS, 1.8)
    yield _thrift(2, "fan100-w1", Name.WS, 1.3)

    yield _thrift(3, "pubs16-w16", Name.C_COALESCED, 0.65, 0.75)
    yield _thrift(3, "pubs16-w16", Name.NATS, 3)
    yield _thrift(3, "pubs16-w16", Name.UWEBSOCKETS, 1)

    yield _thrift(4, "fan1000-w32", Name.C_COALESCED, 0.70, 0.85)
    yield _thrift(4, "fan1000-w32", Name.NATS, 3.5)
    yield _at_most(4, "neighbour", Figure.P99_US, 2000, what="p99 µs in another topic")

    yield _thrift(5, "fan100-4k", Name.C_COALESCED, 0.9)
    yield _thrift(5, "fan100-4k", Name.NATS, 1.6)
    yield _thrift(5, "fan100-4k", Name.UWEBSOCKETS, 2)
    yield _thrift(5, "fan100-64k", Name.C_COALESCED, 0.9)
    yield _thrift(5, "fan100-64k", Name.NATS, 1.5)
    yield _thrift(5, "fan100-64k", Name.UWEBSOCKETS, 1.5)

    yield _delay(6, "paced100", Figure.P50_US, Name.C_COALESCED, 1.2)
    yield _delay(6, "paced100", Figure.P99_US, Name.C_COALESCED, 1.3)
    yield _delay(6, "paced100", Figure.P99_US, Name.NATS, 0.6)
    yield _delay(6, "paced100", Figure.P99_US, Name.WS, 0.6)

    yield _delay(7, "pair1", Figure.P50_US, Name.C_WRITE, 1.3)
    yield _thrift(7, "pair1", Name.NATS, 1.5)
    yield _thrift(7, "pair32", Name.UWEBSOCKETS, 0.9, 1.0)
    yield _thrift(7, "pair32", Name.NATS, 1.1)
    yield from (_delay(7, "pair32", Figure.P99_US, peer, 1.0) for peer in PEERS)

    yield _at_most(8, "idle", Figure.KB_PER_CONNECTION, 4, what="KB a connection", moonshot=2.5)
    yield _at_most(8, "idle", "idle_cpu_util", 0.01, what="share of a core at rest")

    yield Bar(9, "reconnect: connects a second and core", _connects_per_s, 5000, is_floor=True, moonshot=8000)
    yield _at_most(9, "joins1000", Figure.SETTLED_S, 3, what="seconds until all know all")

    yield _own_cost("own-300", 0.3)
    yield _own_cost("own-4k", 4)
    yield _own_cost("own-64k", 64)
    yield _own_cost("own-1m", 1023)
    yield Bar(10, "own-64k: cost of structure in a payload", _structure, 1.15, is_floor=False)

    yield _at_most(
        11, "deflate-4k", Figure.CPU_US, 1.2, what="CPU µs a delivery", server=Name.GATEWAY_DEFLATE
    )

    yield _nodes("nodes-fan100", Figure.CPU_US, 1.3, 1.15)
    yield _nodes("nodes-paced100", Figure.P50_US, 2, 1.5)
    yield _at_most(
        12, "nodes-pubs16", "disorder", 0, what="heard in another order", server=Name.GATEWAY_REDIS
    )

    yield Bar(13, "stalled: p99 of the others / without it", _others_with_a_stalled_one, 1.10, is_floor=False)
    yield _at_most(
        13, "stalled", "rss_peak_growth_kb", _OUTBOX_KB + _FRAME_KB, what="KB that the gateway grew by"
    )
    yield Bar(13, "stalled: closed with code", _closed_with_4413, 4413, is_floor=True)


BARS: Final[Sequence[Bar]] = tuple(_bars())


def judge(results: Results) -> list[Judgement]:
    """Hold every bar against what was measured."""
    return [bar.judge(results) for bar in BARS]
