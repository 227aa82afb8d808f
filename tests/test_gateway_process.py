"""The gateway process that integration tests rest on does what its context manager says."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from tests.gateway_process import running_gateway


async def test_it_is_ready_when_the_block_begins_and_gone_when_it_ends() -> None:
    async with running_gateway() as gateway, httpx.AsyncClient(base_url=gateway.http_url, timeout=30) as http:
        pid = gateway.pid
        assert (await http.get("/readyz")).status_code == 200

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_its_tokens_open_its_topics_and_no_others() -> None:
    async with running_gateway() as gateway, httpx.AsyncClient(base_url=gateway.http_url, timeout=30) as http:
        bearer = {"Authorization": f"Bearer {gateway.token('agent', topics=['ops'])}"}

        assert (await http.get("/ws?topic=ops", headers=bearer)).status_code == 426
        assert (await http.get("/ws?topic=other", headers=bearer)).status_code == 403


async def test_it_starts_again_on_the_same_port(tmp_path: Path) -> None:
    async with running_gateway(directory=tmp_path) as gateway:
        url = gateway.http_url

        assert await gateway.terminate() == 0
        await gateway.start()

        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            assert (await http.get("/readyz")).status_code == 200


async def test_a_setting_that_is_wrong_is_told_with_its_name() -> None:
    with pytest.raises(RuntimeError, match="MCPX_RATE_LIMIT"):
        async with running_gateway(env={"MCPX_RATE_LIMIT": "fast"}):
            pass
