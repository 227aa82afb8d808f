"""What is made of measurements: medians, ratios within a round, verdicts, tables and the picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.bench import bars, plot, quick, tables
from tests.bench.__main__ import main
from tests.bench.cases import BY_NAME, CASES, Figure
from tests.bench.results import Results, Row
from tests.bench.servers import Name


def costs(case: str, server: str, *by_round: float) -> list[Row]:
    return [
        Row(case, server, number, {Figure.CPU_US: cost, Figure.P99_US: cost * 100})
        for number, cost in enumerate(by_round)
    ]


def test_a_ratio_pairs_rounds_so_that_a_slow_moment_hits_both() -> None:
    results = Results([*costs("pair1", "gateway", 2, 20, 2), *costs("pair1", "nats", 4, 40, 5)])

    ratio = results.ratio("pair1", Figure.CPU_US, "nats", "gateway")

    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high, ratio.rounds) == (2, 2, 2.5, 3)


def test_a_round_that_one_side_lacks_is_left_out() -> None:
    results = Results([*costs("pair1", "gateway", 2, 2), *costs("pair1", "nats", 4)])

    ratio = results.ratio("pair1", Figure.CPU_US, "nats", "gateway")

    assert ratio is not None
    assert ratio.rounds == 1


def test_a_row_survives_a_trip_through_its_line() -> None:
    row = Row("pair1", "gateway", 0, {"p50_us": 1.5})

    assert Row.from_json(row.to_json()) == row


@pytest.mark.parametrize(
    ("reference", "gateway", "verdict", "reaches_the_moon"),
    [
        (0.75, 1.0, bars.Verdict.HELD, False),
        (0.95, 1.0, bars.Verdict.HELD, True),
        (0.5, 1.0, bars.Verdict.MISSED, False),
    ],
)
def test_a_bar_is_held_by_its_median(
    reference: float, gateway: float, verdict: bars.Verdict, reaches_the_moon: bool
) -> None:
    results = Results(
        [*costs("fan100-w32", "gateway", gateway), *costs("fan100-w32", "c-coalesced", reference)]
    )

    first, second = bars.judge(results)[:2]

    assert (first.verdict, first.reaches_the_moon) == (verdict, reaches_the_moon)
    assert second.verdict is bars.Verdict.UNKNOWN


def test_every_bar_asks_for_a_case_that_exists() -> None:
    everything = [
        Row(case.name, server, 0, dict.fromkeys((*Figure, "idle_cpu_util", "disorder"), 1.0))
        for case in CASES
        for server in case.servers
    ]
    stalled = Row("stalled", Name.GATEWAY, 1, {"rss_peak_growth_kb": 1.0, "stalled_code": 4413.0})

    judgements = bars.judge(Results([*everything, stalled]))

    assert [judgement.bar.claim for judgement in judgements if judgement.spread is None] == []


def test_the_quick_run_fails_only_when_the_best_round_is_below_a_floor() -> None:
    rows = [row for floor in quick.FLOORS for row in costs(floor.case, floor.reference, 1, 1)]
    noisy = [row for floor in quick.FLOORS for row in costs(floor.case, Name.GATEWAY, 50, 1)]
    fallen = [row for floor in quick.FLOORS for row in costs(floor.case, Name.GATEWAY, 50, 50)]

    assert quick.fallen(Results([*rows, *noisy])) == []
    assert len(quick.fallen(Results([*rows, *fallen]))) == len(quick.FLOORS)
    assert len(quick.fallen(Results(rows))) == len(quick.FLOORS)


def test_the_quick_run_measures_what_its_floors_ask_for() -> None:
    for floor in quick.FLOORS:
        assert floor.reference in quick.SERVERS
        assert floor.reference in BY_NAME[floor.case].servers


def test_tables_and_picture_show_every_server_and_can_be_read() -> None:
    results = Results(
        [
            Row(case.name, server, 0, {**dict.fromkeys(Figure, 2.0), "p999_us": 3.0})
            for case in CASES
            for server in case.servers
        ]
    )

    page = tables.as_markdown(results, bars.judge(results))
    picture = plot.as_svg(results)

    assert all(title in page for title in ("uWebSockets.js", "two gateways, Redis", "naive Starlette"))
    assert ET.fromstring(picture).tag.endswith("svg")
    assert tables.as_text(results).count("fan100-w32") == 1


def test_a_server_that_does_not_exist_is_named_beside_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "pair1", "--servers", "gateway,ngix"])
    told = capsys.readouterr().err
    assert "no server 'ngix'" in told
    assert "nats" in told
