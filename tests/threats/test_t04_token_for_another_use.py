"""T4: a token that was made for another service, or for another use (RFC 8725 3.8, 3.9, 3.11, 3.12)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import AUDIENCE, GatewayProcess
from tests.threats.foreign_tokens import token


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param({"iss": "another"}, id="another issuer"),
        pytest.param({"iss": ...}, id="no issuer"),
        pytest.param({"aud": "mcpx-gateway-2"}, id="a name that begins alike"),
        pytest.param({"aud": "mcpx-*"}, id="a pattern"),
        pytest.param({"aud": ["other", "another"]}, id="others"),
        pytest.param({"aud": ...}, id="no audience"),
        pytest.param({"exp": ...}, id="no end"),
        pytest.param({"sub": ...}, id="nobody's"),
        pytest.param({"typ": "JWT"}, id="any JWT"),
        pytest.param({"typ": "at+jwt"}, id="an access token"),
        pytest.param({"typ": "mcpx-admin+jwt"}, id="an admin's"),
        pytest.param({"typ": None}, id="of no type"),
    ],
)
async def test_it_opens_no_topic(ops: TopicUnderTest, foreign: dict[str, Any]) -> None:
    assert (await ops.refused(token(**foreign))).status_code == 401


async def test_a_participants_token_opens_no_admin_door_and_an_admins_does(gateway: GatewayProcess) -> None:
    async with httpx.AsyncClient(base_url=gateway.http_url, trust_env=False, timeout=30) as http:
        answers = {
            typ: (await http.get("/admin/topics", headers={"Authorization": f"Bearer {token(typ)}"}))
            for typ in ("mcpx+jwt", "JWT", "mcpx-admin+jwt")
        }

    assert {typ: answer.status_code for typ, answer in answers.items()} == {
        "mcpx+jwt": 403,
        "JWT": 401,
        "mcpx-admin+jwt": 200,
    }


async def test_the_same_claims_with_nothing_foreign_open_a_topic(ops: TopicUnderTest) -> None:
    async with ops.connect(token(aud=["other", AUDIENCE])) as socket:
        assert await socket.recv()
