"""T28: an act of an admin is not written down, or what is written is forged."""

from __future__ import annotations

import json

import httpx

from gateway.audit import verify
from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import running_gateway


async def test_while_the_audit_log_cannot_be_written_nothing_is_done_and_envelopes_flow() -> None:
    async with running_gateway() as gateway:
        headers = {"Authorization": f"Bearer {gateway.admin_token()}"}
        ops, file = TopicUnderTest(gateway), gateway.state_dir / "audit.jsonl"
        async with (
            ops.conducted(),
            ops.join("agent", "chat") as agent,
            httpx.AsyncClient(
                base_url=gateway.http_url, headers=headers, trust_env=False, timeout=30
            ) as http,
        ):
            path = f"/admin/participants/agent/capabilities?topic={ops.name}"
            assert (await http.post(path, json={"add": ["mcp/proposal:*"]})).status_code == 200
            await agent.heard()
            file.rename(file.with_suffix(".kept"))
            file.symlink_to("/dev/full")  # no disk is so full

            answers = [
                await http.post(path, json={"add": ["mcp/*"]}),
                await http.post("/admin/revocations", json={"participant": "agent"}),
                await http.post("/admin/participants/agent/disconnect"),
            ]
            sent = await agent.send("chat")
            heard = await agent.heard()

            file.unlink()
            file.with_suffix(".kept").rename(file)
            after = await http.post(path, json={"add": ["mcp/response:*"]})

        assert [(a.status_code, a.json()["code"]) for a in answers] == [(503, "audit_unavailable")] * 3
        assert [(one["kind"], one["id"]) for one in heard] == [("chat", sent.id)], "and nothing else happened"
        assert after.status_code == 200
        assert verify(file).is_intact


async def test_no_text_of_an_act_makes_a_line_of_its_own() -> None:
    evil = 'x\n{"seq":1,"who":"root","what":"forged"}\r\n\u2028\u0000\x1b[2K'
    async with running_gateway() as gateway:
        headers = {"Authorization": f"Bearer {gateway.admin_token()}"}
        ops = TopicUnderTest(gateway)
        async with (
            ops.join("agent", "chat"),
            httpx.AsyncClient(
                base_url=gateway.http_url, headers=headers, trust_env=False, timeout=30
            ) as http,
        ):
            path = f"/admin/participants/agent/capabilities?topic={ops.name}"
            answer = await http.post(path, json={"add": ["mcp/proposal:*"], "reason": evil})
        lines = (gateway.state_dir / "audit.jsonl").read_bytes().split(b"\n")

    assert answer.status_code == 200
    assert lines.pop() == b""
    assert all(json.loads(line).get("who") != "root" for line in lines)
    assert all(32 <= byte < 127 for line in lines for byte in line)
