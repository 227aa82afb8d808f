"""The admin API of a real gateway process, with a participant on a real WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from gateway.audit import verify
from tests.gateway_process import GatewayProcess, running_gateway
from tests.requirements import spec

CALL = "mcp/request:tools/call:x"
PROPOSALS = ["mcp/proposal:*", "chat"]


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayProcess]:
    async with running_gateway() as process:
        yield process


@asynccontextmanager
async def joined(gateway: GatewayProcess, token: str) -> AsyncIterator[ClientConnection]:
    async with websockets.connect(
        f"{gateway.url}/ws?topic=ops", additional_headers={"Authorization": f"Bearer {token}"}
    ) as socket:
        await next_of(socket, "system/welcome")
        yield socket


async def next_of(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the payload of the next envelope of a kind."""
    async with asyncio.timeout(30):
        while True:
            envelope: dict[str, Any] = json.loads(await socket.recv())
            if envelope["kind"] == kind:
                payload: dict[str, Any] = envelope["payload"]
                return payload


def request(id: str, sender: str) -> str:
    payload = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}}
    return json.dumps(
        {"protocol": "mcpx/v0.1", "id": id, "from": sender, "to": ["bob"], "kind": CALL, "payload": payload}
    )


@spec("MCPx 11.3 promotion", "mcpx delivery promotion in force")
async def test_the_next_envelope_after_the_admins_answer_is_judged_by_the_new_set(
    gateway: GatewayProcess,
) -> None:
    headers = {"Authorization": f"Bearer {gateway.admin_token('ann')}"}
    path = "/admin/participants/agent-a/capabilities"
    async with (
        joined(gateway, gateway.token("agent-a", capabilities=PROPOSALS)) as agent,
        httpx.AsyncClient(base_url=gateway.http_url, headers=headers, trust_env=False, timeout=30) as http,
    ):
        await agent.send(request("e1", "agent-a"))
        assert (await next_of(agent, "system/error"))["error"] == "capability_violation"

        await http.post(path, json={"add": ["mcp/request:tools/*"]})
        await agent.send(request("e2", "agent-a"))
        assert (await next_of(agent, CALL))["params"] == {"name": "x"}

        await http.post(path, json={"remove": ["mcp/request:tools/*"]})
        await agent.send(request("e3", "agent-a"))
        assert (await next_of(agent, "system/error"))["attempted_kind"] == CALL


@spec("mcpx identity revocation closes", "mcpx admin durable")
async def test_a_revoked_token_is_closed_with_4403_and_refused_even_after_a_restart(
    gateway: GatewayProcess,
) -> None:
    token = gateway.token("agent-a", jti="stolen")
    headers = {"Authorization": f"Bearer {gateway.admin_token('ann')}"}
    async with (
        joined(gateway, token) as agent,
        httpx.AsyncClient(base_url=gateway.http_url, headers=headers, trust_env=False, timeout=30) as http,
    ):
        answer = await http.post("/admin/revocations", json={"jti": "stolen"})
        assert len(answer.json()["closed"]) == 1
        async with asyncio.timeout(30):
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await next_of(agent, "nothing more")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403

    await gateway.terminate()
    await gateway.start()

    with pytest.raises(websockets.InvalidStatus) as refused:
        async with joined(gateway, token):
            pass
    assert refused.value.response.status_code == 401


ACTS = [
    ("/admin/participants/agent-a/capabilities", {"add": ["mcp/request:tools/*"]}),
    ("/admin/participants/agent-a/capabilities", {"remove": ["chat"]}),
    ("/admin/participants/agent-a/disconnect", {}),
    ("/admin/revocations", {"jti": "t1"}),
    ("/admin/revocations", {"participant": "agent-a"}),
]


@spec("mcpx admin audited")
async def test_on_a_full_disk_no_act_is_done_and_with_room_again_all_are(gateway: GatewayProcess) -> None:
    headers = {"Authorization": f"Bearer {gateway.admin_token('ann')}"}
    log = gateway.state_dir / "audit.jsonl"
    async with (
        joined(gateway, gateway.token("agent-a", capabilities=PROPOSALS, jti="t1")) as agent,
        httpx.AsyncClient(base_url=gateway.http_url, headers=headers, trust_env=False, timeout=30) as http,
    ):
        with gateway.largest_file(log.stat().st_size):
            refused = [await http.post(path, json=body) for path, body in ACTS]
        kept = (await http.get("/admin/revocations")).json()["revocations"]
        await agent.send(request("e1", "agent-a"))
        held = (await next_of(agent, "system/error"))["your_capabilities"]
        done = [await http.post(path, json=body) for path, body in ACTS]

    assert [(one.status_code, one.json()["code"]) for one in refused] == [(503, "audit_unavailable")] * 5
    assert {one.headers["content-type"] for one in refused} == {"application/problem+json"}
    assert (held, kept) == (PROPOSALS, [])
    assert [one.status_code for one in done] == [200] * 5
    assert (verify(log).is_intact, verify(log).lines) == (True, 10)


@spec("mcpx admin audited")
async def test_an_act_whose_outcome_finds_no_room_was_done_and_reads_unknown(gateway: GatewayProcess) -> None:
    headers = {"Authorization": f"Bearer {gateway.admin_token('ann')}"}
    log, path = gateway.state_dir / "audit.jsonl", "/admin/participants/agent-a/disconnect"
    async with httpx.AsyncClient(
        base_url=gateway.http_url, headers=headers, trust_env=False, timeout=30
    ) as http:
        async with joined(gateway, gateway.token("agent-a")):
            await http.post(path)
        begun = len(log.read_bytes().splitlines(keepends=True)[0])
        async with joined(gateway, gateway.token("agent-a")):
            with gateway.largest_file(log.stat().st_size + begun + 10):
                answer = await http.post(path)
        acts = (await http.get("/admin/audit")).json()["acts"]

    assert (answer.status_code, len(answer.json()["closed"])) == (200, 1)
    assert [act["outcome"] for act in acts] == ["unknown", "done"]
    assert verify(log).is_intact


@spec("mcpx admin audited")
async def test_a_log_that_was_altered_stops_admins_and_nobody_else(gateway: GatewayProcess) -> None:
    headers = {"Authorization": f"Bearer {gateway.admin_token('ann')}"}
    log = gateway.state_dir / "audit.jsonl"
    async with httpx.AsyncClient(
        base_url=gateway.http_url, headers=headers, trust_env=False, timeout=30
    ) as http:
        await http.post("/admin/revocations", json={"jti": "t1"})
        await gateway.terminate()
        log.write_bytes(log.read_bytes().replace(b"ann", b"bob", 1))

        await gateway.start()
        answer = await http.post("/admin/revocations", json={"jti": "t2"})
        async with joined(gateway, gateway.token("agent-a")) as agent:
            await agent.send(request("e1", "agent-a"))
            assert await next_of(agent, CALL)

    assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
    assert "chain is broken at line 2" in gateway.log_text()


@spec("mcpx identity never in a log")
async def test_no_token_is_in_a_log_a_metric_an_error_or_the_audit(gateway: GatewayProcess) -> None:
    participant, admin = gateway.token("agent-a", capabilities=PROPOSALS), gateway.admin_token("ann")
    tokens = (participant, admin, admin[:-4] + "AAAA")
    said: list[str] = []
    async with (
        joined(gateway, participant) as agent,
        httpx.AsyncClient(base_url=gateway.http_url, trust_env=False, timeout=30) as http,
    ):
        await agent.send(request("e1", "agent-a"))
        said.append(json.dumps(await next_of(agent, "system/error")))
        for token in tokens:
            headers = {"Authorization": f"Bearer {token}"}
            for method, path in (("GET", "/admin/topics"), ("GET", f"/admin/topics?token={token}")):
                said.append((await http.request(method, path, headers=headers)).text)
            body = {"participant": "nobody", "reason": f"has {token}"}
            said.append((await http.post("/admin/revocations", json=body, headers=headers)).text)
            said.append((await http.get(f"/ws?topic=ops&token={token}")).text)
        said.append((await http.get("/metrics")).text)
    said += [gateway.log_text(), (gateway.state_dir / "audit.jsonl").read_text()]
    said.append((gateway.state_dir / "rights.json").read_text())

    for text in said:
        assert not any(part in text for token in tokens for part in token.split(".")[1:])


async def test_participants_cannot_make_series_of_metrics(gateway: GatewayProcess) -> None:
    for number in range(30):
        async with joined(gateway, gateway.token(f"agent-{number}", profile="full")):
            pass
    async with httpx.AsyncClient(base_url=gateway.http_url, trust_env=False, timeout=30) as http:
        text = (await http.get("/metrics")).text

    assert "mcpx_connections_opened_total 30.0" in text
    assert "agent-" not in text
    assert len([line for line in text.splitlines() if not line.startswith("#")]) <= 200
