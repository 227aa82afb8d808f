"""Revocations and disconnects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.node import AccessRevoked
from schemas import CloseCode
from tests.gateway.admin.gateway_under_test import GatewayUnderTest, running
from tests.requirements import spec


async def revoke(
    gateway: GatewayUnderTest, body: dict[str, Any], by: dict[str, str] | None = None
) -> httpx.Response:
    return await gateway.http.post("/admin/revocations", json=body, headers=by or gateway.admin())


@spec("mcpx admin revocations", "mcpx identity revoked by jti")
async def test_a_revoked_token_closes_what_it_opened_and_opens_nothing_more(
    gateway: GatewayUnderTest,
) -> None:
    stolen, ear = await gateway.join("agent-a", jti="stolen")
    _, other = await gateway.join("agent-a", jti="other")

    answer = await revoke(gateway, {"jti": "stolen", "reason": "leaked"})

    assert answer.status_code == 200
    assert answer.json()["closed"] == [{"connection": stolen.connection, "participantId": "agent-a"}]
    assert answer.json()["revocation"]["revokedBy"] == "ann"
    assert (ear.closed, other.closed) == (CloseCode.REVOKED, None)
    with pytest.raises(AccessRevoked):
        await gateway.join("agent-a", jti="stolen")


@spec("mcpx admin revocations", "mcpx identity revoked by participant")
async def test_a_revoked_participant_comes_back_with_a_later_token_only(gateway: GatewayUnderTest) -> None:
    _, one = await gateway.join("agent-a", topic="ops")
    _, two = await gateway.join("agent-a", topic="dev")
    _, bob = await gateway.join("bob", topic="dev")

    answer = await revoke(gateway, {"participant": "agent-a"})

    assert len(answer.json()["closed"]) == 2
    assert (one.closed, two.closed, bob.closed) == (CloseCode.REVOKED, CloseCode.REVOKED, None)
    with pytest.raises(AccessRevoked):
        await gateway.join("agent-a")
    gateway.clock.advance(1)
    await gateway.join("agent-a")


@spec("mcpx admin revocations")
@pytest.mark.parametrize("whom", [{"jti": "stolen"}, {"participant": "agent-a"}])
async def test_the_same_revocation_again_is_kept_once_and_says_what_it_closed_now(
    gateway: GatewayUnderTest, whom: dict[str, Any]
) -> None:
    await gateway.join("agent-a", jti="stolen")

    first = await revoke(gateway, {**whom, "reason": "leaked"})
    gateway.clock.advance(60)
    again = await revoke(gateway, {**whom, "reason": "leaked, says Bob too"}, by=gateway.admin("bob"))
    in_ops = await revoke(gateway, {**whom, "topic": "ops"})

    assert [len(one.json()["closed"]) for one in (first, again, in_ops)] == [1, 0, 0]
    assert {one.status_code for one in (first, again, in_ops)} == {200}
    shown = (await gateway.get("/admin/revocations")).json()["revocations"]
    assert [(one["topic"], one["reason"], one["revokedBy"]) for one in shown] == [
        ("ops", "", "ann"),
        (None, "leaked, says Bob too", "bob"),
    ]
    assert len((await gateway.get("/admin/audit")).json()["acts"]) == 3


async def test_a_revocation_in_one_topic_leaves_the_others_alone(gateway: GatewayUnderTest) -> None:
    _, one = await gateway.join("agent-a", topic="ops", jti="t")
    _, two = await gateway.join("agent-a", topic="dev", jti="t")

    await revoke(gateway, {"jti": "t", "topic": "ops"}, by=gateway.admin("lou", topics=["ops"]))

    assert (one.closed, two.closed) == (CloseCode.REVOKED, None)


@spec("mcpx admin topics of the token")
async def test_an_admin_of_some_topics_revokes_in_those_alone(gateway: GatewayUnderTest) -> None:
    _, ear = await gateway.join("agent-a", topic="ops", jti="t")
    lou = gateway.admin("lou", topics=["dev"])

    for body in ({"jti": "t"}, {"jti": "t", "topic": "ops"}):
        answer = await revoke(gateway, body, by=lou)
        assert (answer.status_code, answer.json()["code"]) == (403, "topic_forbidden")

    assert ear.closed is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"jti": "a", "participant": "b"},
        {"participant": "system:gateway"},
        {"jti": ""},
        {"jti": "stolen\n"},
        {"jti": "a", "topic": "/"},
        {"jti": 1},
    ],
)
async def test_a_revocation_names_one_token_or_one_participant(
    gateway: GatewayUnderTest, body: dict[str, Any]
) -> None:
    answer = await revoke(gateway, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


@spec("mcpx admin durable", "mcpx admin lists")
async def test_revocations_are_listed_newest_first_and_outlive_the_gateway(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        for number in range(3):
            await revoke(gateway, {"jti": f"t{number}"})
            gateway.clock.advance(1)
        await revoke(gateway, {"jti": "t9", "topic": "ops"})

    async with running(tmp_path) as gateway:
        first = (await gateway.get("/admin/revocations", limit=2)).json()
        second = (await gateway.get("/admin/revocations", limit=2, after=first["next"])).json()
        with pytest.raises(AccessRevoked):
            await gateway.join("agent-a", jti="t0")
        local = await gateway.get("/admin/revocations", by=gateway.admin("lou", topics=["ops"]))

    assert [one["jti"] for one in first["revocations"]] == ["t9", "t2"]
    assert [one["jti"] for one in second["revocations"]] == ["t1", "t0"]
    assert second["next"] is None
    assert [one["jti"] for one in local.json()["revocations"]] == ["t9"]


@spec("mcpx admin disconnect")
async def test_who_is_disconnected_is_closed_with_4410_and_may_come_back(gateway: GatewayUnderTest) -> None:
    _, one = await gateway.join("agent-a", topic="ops", jti="t")
    _, two = await gateway.join("agent-a", topic="dev", jti="t")

    answer = await gateway.http.post(
        "/admin/participants/agent-a/disconnect?topic=ops",
        json={"reason": "stuck"},
        headers=gateway.admin(),
    )

    assert answer.status_code == 200
    assert len(answer.json()["closed"]) == 1
    assert (one.closed, two.closed) == (CloseCode.DISCONNECTED, None)
    await gateway.join("agent-a", topic="ops", jti="t")


async def test_a_disconnect_needs_no_body_and_a_known_participant(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a")

    known = await gateway.http.post("/admin/participants/agent-a/disconnect", headers=gateway.admin())
    unknown = await gateway.http.post("/admin/participants/nobody/disconnect", headers=gateway.admin())

    assert (known.status_code, unknown.status_code) == (200, 404)
