"""Token buckets: many at once are as many one by one, or none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core import Bucket, Rate

TIMES = st.lists(
    st.tuples(st.integers(0, 24).map(lambda eighths: eighths / 8), st.integers(1, 5)), max_size=20
)
"""Seconds that pass, exact as floats, and how many come then."""


@given(TIMES, st.sampled_from((Rate(1.0, 5.0), Rate(3.0, 2.0), Rate(100.0, 100.0))))
def test_many_at_once_are_as_many_one_by_one_or_none(times: list[tuple[float, int]], rate: Rate) -> None:
    together, single, now = Bucket(rate, 0.0), Bucket(rate, 0.0), 0.0
    for seconds, count in times:
        now += seconds
        if together.take_all(count, now):
            assert [single.take(now) for _ in range(count)] == [0] * count
        else:
            probe = Bucket(rate, 0.0)
            probe._level, probe._at = single._level, single._at
            assert any(probe.take(now) for _ in range(count))


def test_the_last_one_may_be_taken() -> None:
    bucket = Bucket(Rate(1.0, 3.0), 0.0)

    assert bucket.take_all(3, 0.0)
    assert not bucket.take_all(1, 0.9)
    assert bucket.take_all(1, 1.0)
