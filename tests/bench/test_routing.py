"""The times of routes: every size is measured, and has its place in the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import routing
from tests.bench.results import Results, Row


def test_every_number_of_tools_is_measured() -> None:
    rows = list(routing.measure(rounds=1, intents=3))

    assert [row.case for row in rows if row.server == "words"] == ["route-7", "route-37", "route-150"]
    assert all(0 < row.figures["p50_us"] <= row.figures["p95_us"] for row in rows)


def test_a_table_holds_medians_in_milliseconds_at_its_place_in_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- routes -->\nold\n<!-- /routes -->\nafter\n")
    rows = [
        Row(f"route-{count}", "words", number, {"p50_us": 1000.0 * (number + count), "p95_us": 99_000.0})
        for count in routing.TOOLS
        for number in range(3)
    ]

    routing.publish(page, Results(rows))

    assert page.read_text() == (
        "before\n<!-- routes -->\n\n"
        "| tools in view | words: p50 | words: p95 |\n| --- | --- | --- |\n"
        "| 7 | 8.0 | 99.0 |\n| 37 | 38.0 | 99.0 |\n| 150 | 151.0 | 99.0 |\n"
        "\n<!-- /routes -->\nafter\n"
    )
    page.write_text("no place")
    with pytest.raises(AssertionError, match="no place"):
        routing.publish(page, Results(rows))
