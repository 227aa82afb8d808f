"""
What the node counts, as Prometheus reads it.

Counting costs an addition: plain numbers are kept, and made into samples only
when somebody asks. No label holds an id or a name that a participant chose, so
the number of series is bounded.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas import CloseCode, ErrorCode

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

FAMILY_CLASSES: Final[Mapping[str, str]] = {
    "mcp/request": "request",
    "mcp/response": "response",
    "mcp/proposal": "proposal",
    "mcp/reject": "reject",
    "mcp/withdraw": "withdraw",
    "chat": "chat",
}
"""Family of a kind → its label; every other family is `other`."""

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the histograms' buckets."""

_MAX_REASONS: Final = 32
"""Reasons of one counter, so that a mistake in a caller cannot make series without end."""


class _Histogram:
    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.total += seconds


class Metrics(Collector):
    """One node's numbers. Calls are cheap, synchronous, and never raise."""

    def __init__(self) -> None:
        self._relayed = {family: [0, 0] for family in FAMILY_CLASSES}
        """By family: envelopes, and their bytes."""
        self._relayed_otherwise = [0, 0]
        self.all_delivered = [0, 0]
        """What was put into outboxes: envelopes, and their bytes."""
        self._refused = dict.fromkeys(map(str, ErrorCode), 0)
        self._closed = dict.fromkeys((*(str(int(code)) for code in CloseCode), "other"), 0)
        self._handshakes_refused: dict[str, int] = {}
        self._admin_acts: dict[str, int] = {}
        self._connections_opened = 0
        self._loop_lag = _Histogram()
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    # What happens to envelopes: the busy part

    def relayed(self, family: str, size: int) -> None:
        """An envelope of this family and of `size` bytes was allowed and is on its way."""
        counts = self._relayed.get(family, self._relayed_otherwise)
        counts[0] += 1
        counts[1] += size

    def relayed_of(self, family: str) -> list[int]:
        """Return what counts envelopes of this family, and their bytes; whoever relays more adds to it."""
        return self._relayed.get(family, self._relayed_otherwise)

    def delivered(self, envelopes: int, size: int) -> None:
        """So many envelopes, of `size` bytes together, were put into the outboxes of connections."""
        self.all_delivered[0] += envelopes
        self.all_delivered[1] += size

    def refused(self, code: ErrorCode) -> None:
        """An envelope was refused."""
        self._refused[code] += 1

    # What happens to connections

    def opened(self) -> None:
        """A connection was accepted."""
        self._connections_opened += 1

    def closed(self, code: int) -> None:
        """A connection ended with this close code."""
        name = str(int(code))
        if name not in self._closed:
            name = "other"
        self._closed[name] += 1

    def handshake_refused(self, reason: str) -> None:
        """A caller was turned away; `reason` is a stable code such as `token_missing`."""
        _count(self._handshakes_refused, reason)

    def admin_act(self, outcome: str) -> None:
        """An admin's act was done, refused, or failed."""
        _count(self._admin_acts, outcome)

    # What the process is like

    def loop_lagged(self, seconds: float) -> None:
        """The event loop ran a timer so much later than it was due."""
        self._loop_lag.observe(seconds)

    def gauge(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Show `read()` at each scrape as `mcpx_NAME`, such as `connections` or `broker_up`."""
        self._gauges[name] = (help, read)

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Make samples of the numbers (prometheus-client's collector)."""
        counted = {FAMILY_CLASSES[family]: counts for family, counts in self._relayed.items()}
        counted["other"] = self._relayed_otherwise
        relayed = {name: envelopes for name, (envelopes, _) in counted.items()}
        size = {name: each for name, (_, each) in counted.items()}
        yield _labelled("mcpx_envelopes_relayed", "Envelopes allowed", "kind", relayed)
        yield _labelled("mcpx_envelopes_relayed_bytes", "Bytes of envelopes allowed", "kind", size)
        yield _labelled("mcpx_envelopes_refused", "Envelopes refused", "error", self._refused)
        received = sum(relayed.values()) + sum(self._refused.values())
        yield _plain("mcpx_envelopes_received", "Envelopes that arrived, allowed or refused", received)
        yield _plain("mcpx_envelopes_delivered", "Envelopes put into outboxes", self.all_delivered[0])
        yield _plain(
            "mcpx_envelopes_delivered_bytes", "Bytes of envelopes put into outboxes", self.all_delivered[1]
        )
        yield _plain("mcpx_connections_opened", "Connections accepted", self._connections_opened)
        yield _labelled("mcpx_connections_closed", "Connections ended", "code", self._closed)
        slow = self._closed[str(int(CloseCode.SLOW_CONSUMER))]
        yield _plain("mcpx_slow_consumers", "Connections closed because they were behind", slow)
        yield _labelled("mcpx_handshakes_refused", "Callers turned away", "reason", self._handshakes_refused)
        yield _labelled("mcpx_admin_acts", "What admins did", "outcome", self._admin_acts)
        yield _histogram("mcpx_loop_lag_seconds", "How late the event loop is", self._loop_lag)
        yield GaugeMetricFamily("mcpx_tasks", "Tasks of the event loop", value=_tasks())
        for name, (help, read) in self._gauges.items():
            yield GaugeMetricFamily(f"mcpx_{name}", help, value=read())


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0  # rendered outside of a loop


def _count(counts: dict[str, int], reason: str) -> None:
    if reason not in counts and len(counts) >= _MAX_REASONS:
        reason = "other"
    counts[reason] = counts.get(reason, 0) + 1


def _plain(name: str, help: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, help, value=value)


def _labelled(name: str, help: str, label: str, values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help, labels=(label,))
    for value, count in values.items():
        family.add_metric((value,), count)
    return family


def _histogram(name: str, help: str, histogram: _Histogram) -> HistogramMetricFamily:
    bounds = (*map(str, _SECONDS), "+Inf")
    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
    return HistogramMetricFamily(name, help, buckets=buckets, sum_value=histogram.total)
