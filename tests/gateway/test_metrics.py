"""The node's numbers: right, bounded, and nearly free."""

from __future__ import annotations

import re
import timeit

from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import Metrics
from schemas import CloseCode, ErrorCode


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_what_is_counted_is_what_a_scrape_shows() -> None:
    metrics = Metrics()
    metrics.relayed("mcp/request", 300)
    metrics.relayed("mcp/request", 200)
    metrics.delivered(7, 2100)
    metrics.refused(ErrorCode.CAPABILITY_VIOLATION)
    metrics.closed(CloseCode.SLOW_CONSUMER)
    metrics.handshake_refused("token_missing")

    shown = samples(metrics)

    assert shown["mcpx_envelopes_relayed_total", (("kind", "request"),)] == 2
    assert shown["mcpx_envelopes_relayed_bytes_total", (("kind", "request"),)] == 500
    assert shown["mcpx_envelopes_delivered_total", ()] == 7
    assert shown["mcpx_envelopes_delivered_bytes_total", ()] == 2100
    assert shown["mcpx_envelopes_refused_total", (("error", "capability_violation"),)] == 1
    assert shown["mcpx_envelopes_received_total", ()] == 3
    assert shown["mcpx_connections_closed_total", (("code", "4413"),)] == 1
    assert shown["mcpx_slow_consumers_total", ()] == 1
    assert shown["mcpx_handshakes_refused_total", (("reason", "token_missing"),)] == 1


def test_gauges_are_read_at_the_scrape() -> None:
    metrics = Metrics()
    connections = 0.0
    metrics.gauge("connections", "Open connections", lambda: connections)
    assert samples(metrics)["mcpx_connections", ()] == 0

    connections = 3.0

    assert samples(metrics)["mcpx_connections", ()] == 3


def test_a_histogram_counts_what_is_up_to_each_bound() -> None:
    metrics = Metrics()
    for seconds in (0.0001, 0.001, 0.3, 60.0):
        metrics.loop_lagged(seconds)

    shown = samples(metrics)

    assert shown["mcpx_loop_lag_seconds_bucket", (("le", "0.001"),)] == 2
    assert shown["mcpx_loop_lag_seconds_bucket", (("le", "0.5"),)] == 3
    assert shown["mcpx_loop_lag_seconds_bucket", (("le", "+Inf"),)] == 4
    assert shown["mcpx_loop_lag_seconds_count", ()] == 4


def test_no_participant_can_make_series_however_strange_its_kinds_and_tokens() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.relayed(f"x-agent-{number}", 10)
        metrics.handshake_refused(f"reason-{number}")
        metrics.closed(3000 + number)

    shown = samples(metrics)

    assert len(shown) <= 200
    assert shown["mcpx_envelopes_relayed_total", (("kind", "other"),)] == 1000
    assert shown["mcpx_connections_closed_total", (("code", "other"),)] == 1000
    assert not re.search(r"x-agent|reason-99", metrics.render().decode())


def test_counting_an_envelope_costs_next_to_nothing() -> None:
    metrics = Metrics()

    seconds = (
        min(timeit.repeat(lambda: metrics.relayed("mcp/request", 300), number=20_000, repeat=5)) / 20_000
    )

    # 0.2 µs is what it should be; the bound leaves room for a busy machine, not for a lock.
    assert seconds < 2e-6, f"{seconds * 1e6:.2f} µs"
