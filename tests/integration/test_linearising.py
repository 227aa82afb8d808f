"""Rights end at the moment when the admin's call returns, on every node, under load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linearising import PROTECTED, Watch, linearise
from tests.redis_server import running_redis
from tests.requirements import spec


@pytest.mark.redis
@spec("mcpx delivery promotion in force", "mcpx identity revocation closes")
async def test_no_envelope_is_relayed_under_rights_that_had_ended_when_the_admin_was_answered(
    tmp_path: Path,
) -> None:
    """`make linearise` makes ten thousand of these trials."""
    with running_redis(tmp_path, durable=True) as redis:
        stage = await linearise(redis, 100)

    assert stage.violations == []
    assert sum(stage.trials.values()) >= 100
    assert stage.trials["revocations"] >= 2


@pytest.mark.parametrize(
    ("order", "violations"),
    [
        (["agent may", "marker", "agent chat"], 0),
        (["marker", "agent may"], 1),
        (["marker", "agent may", "begins", "agent may"], 1),
        (["marker", "begins", "agent may", "marker", "agent may"], 1),
    ],
)
def test_what_stands_behind_the_marker_was_relayed_too_late(order: list[str], violations: int) -> None:
    watch = Watch()
    for place, what in enumerate(order):
        sender = "agent" if what.startswith("agent") else "conductor"
        verb = "begins" if what == "begins" else "ended"
        watch.hear(
            {
                "id": str(place),
                "from": sender,
                "kind": PROTECTED if what == "agent may" else "chat",
                "payload": {"marker": [verb, "agent", PROTECTED]},
            }
        )
    assert len(watch.violations) == violations
