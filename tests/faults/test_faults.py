"""
Every fault, a little of it, against two real nodes and a real Redis; `make faults` does all of each.

The faults share one stage and are injected one after the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.catalogue import FAULTS, Fault
from tests.faults.scale import SHORT
from tests.faults.stage import Stage, staged

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.mark.parametrize("fault", [pytest.param(fault, id=name) for name, fault in FAULTS])
async def test_members_get_what_is_promised_though_there_is(stage: Stage, fault: Fault) -> None:
    await stage.mend()
    print(await fault(stage, SHORT))
