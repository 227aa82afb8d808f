"""The short form: half a minute of it, and that growth would be noticed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.soak.plot import as_svg
from tests.soak.run import Report, soak
from tests.soak.samples import Sample, Verdict


@pytest.mark.redis
@pytest.mark.slow
async def test_after_half_a_minute_of_mischief_nothing_has_grown(tmp_path: Path) -> None:
    report = await soak(tmp_path / "stage", 25, members=40, topics=4, seed=7)

    assert report.complaints == [], "\n".join(report.lines())
    assert len(report.outcomes) >= 1
    assert report.verdicts[0].node == 0
    assert ET.fromstring(as_svg(report)).tag.endswith("svg")


def rests(*, memory: float = 0.0, descriptors: float = 0.0, tasks: float = 0.0) -> list[Sample]:
    """Ten looks at rest, a minute apart, with so much more each time."""
    return [
        Sample(
            n * 60.0, 0, 60e6 + n * memory, int(20 + n * descriptors), int(9 + n * tasks), 0, is_at_rest=True
        )
        for n in range(10)
    ]


@pytest.mark.parametrize(
    ("grown", "named"),
    [
        ({}, []),
        ({"memory": 5e6}, ["memory"]),
        ({"descriptors": 1}, ["descriptors"]),
        ({"tasks": 1}, ["tasks"]),
        ({"memory": -3e6, "descriptors": -1}, []),
    ],
)
def test_what_grows_at_rest_is_named(grown: dict[str, float], named: list[str]) -> None:
    verdict = Verdict.of(0, rests(**grown))

    assert [complaint.split()[2] for complaint in verdict.complaints] == named
    assert round(verdict.slope) == round(grown.get("memory", 0.0) * 60)


def test_one_strange_look_is_no_growth() -> None:
    looks = rests()
    looks[5] = Sample(300.0, 0, 300e6, 900, 900, 0, is_at_rest=True)

    assert Verdict.of(0, looks).complaints == []


def test_a_report_says_what_happened_and_what_grew() -> None:
    report = Report(samples=rests(tasks=2), happened=[(1.0, "redis_killed")] * 2, took_s=600)

    text = "\n".join(report.lines())
    assert "10.0 minutes" in text
    assert "redis_killed x2" in text
    assert "GREW: node 0: tasks" in text
