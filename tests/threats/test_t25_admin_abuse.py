"""T25: an admin reaches beyond its rights or its topics, overwrites another, or leaves no trace."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.audit import verify
from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import GatewayProcess

OTHERS = "somebody-elses-topic"


@pytest.fixture
async def http(gateway: GatewayProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.http_url, trust_env=False, timeout=30) as client:
        yield client


def bearer(gateway: GatewayProcess, topic: str = "*", *capabilities: str) -> dict[str, str]:
    token = gateway.admin_token("small", topics=[topic], capabilities=capabilities or ("chat",))
    return {"Authorization": f"Bearer {token}"}


async def test_nobody_hands_out_more_than_its_own(ops: TopicUnderTest, http: httpx.AsyncClient) -> None:
    async with ops.join("agent", "chat"):
        path = f"/admin/participants/agent/capabilities?topic={ops.name}"
        for wanted in ("mcp/request:*", "mcp/*", "mcp/proposal:tools/call:x"):
            answer = await http.post(path, json={"add": [wanted]}, headers=bearer(ops.gateway))
            assert (answer.status_code, answer.json()["code"]) == (403, "beyond_own_rights")
        for never in ("*", "system/*", "s*"):
            answer = await http.post(
                path, json={"add": [never]}, headers=bearer(ops.gateway, "*", "mcp/*", "chat")
            )
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_pattern")


async def test_an_admin_of_one_topic_reaches_and_sees_no_other(
    ops: TopicUnderTest, http: httpx.AsyncClient
) -> None:
    theirs, mine = TopicUnderTest(ops.gateway, OTHERS), bearer(ops.gateway, ops.name, "mcp/*", "chat")
    async with theirs.join("victim", "chat") as victim, ops.join("agent", "chat"):
        change = {"remove": ["chat"], "reason": "x"}
        refused = [
            await http.post(
                f"/admin/participants/victim/capabilities?topic={OTHERS}", json=change, headers=mine
            ),
            await http.post("/admin/participants/victim/capabilities", json=change, headers=mine),
            await http.post(f"/admin/participants/victim/disconnect?topic={OTHERS}", headers=mine),
            await http.post("/admin/revocations", json={"participant": "victim"}, headers=mine),
            await http.post(
                "/admin/revocations", json={"participant": "victim", "topic": OTHERS}, headers=mine
            ),
            await http.get(f"/admin/explain?participant=victim&topic={OTHERS}&kind=chat", headers=mine),
        ]
        seen = [await http.get(path, headers=mine) for path in ("/admin/topics", "/admin/participants")]
        sent = await victim.send("chat")

        assert (await victim.next_of("chat"))["id"] == sent.id, "the victim was left alone"
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert not any("victim" in answer.text or OTHERS in answer.text for answer in seen)
    assert all(answer.status_code == 200 for answer in seen)


async def test_what_was_read_before_another_admins_change_overwrites_nothing(
    ops: TopicUnderTest, http: httpx.AsyncClient
) -> None:
    admin = bearer(ops.gateway, "*", "mcp/*", "chat")
    async with ops.join("agent", "chat"):
        tag = (await http.get("/admin/participants/agent", headers=admin)).headers["etag"]
        path = f"/admin/participants/agent/capabilities?topic={ops.name}"
        first = await http.post(path, json={"add": ["mcp/proposal:*"]}, headers=admin)
        second = await http.post(path, json={"add": ["mcp/*"]}, headers={**admin, "If-Match": tag})

    assert first.status_code == 200
    assert (second.status_code, second.json()["code"]) == (412, "changed_meanwhile")


async def test_each_act_is_in_a_chain_that_shows_a_change(
    ops: TopicUnderTest, http: httpx.AsyncClient, gateway: GatewayProcess
) -> None:
    admin = bearer(ops.gateway, "*", "mcp/*", "chat")
    async with ops.join("agent", "chat"):
        path = f"/admin/participants/agent/capabilities?topic={ops.name}"
        await http.post(path, json={"add": ["mcp/proposal:*"], "reason": "earned it"}, headers=admin)
        await http.post(path, json={"add": ["mcp/*"], "reason": "escalates"}, headers=bearer(ops.gateway))
    file = gateway.state_dir / "audit.jsonl"
    text = file.read_text()
    assert "earned it" in text
    assert "escalates" in text, "what was refused is written down, too"
    assert verify(file).is_intact

    copy = gateway.state_dir / "altered.jsonl"
    copy.write_text(text.replace("earned it", "stole  it", 1))
    assert not verify(copy).is_intact
