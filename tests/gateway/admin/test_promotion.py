"""Capability promotion over HTTP (MCPx 11.3, Capability Promotion API)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.audit import verify
from tests.gateway.admin.gateway_under_test import PROPOSALS, GatewayUnderTest, running
from tests.requirements import spec

TOOLS = "mcp/request:tools/*"


@spec("MCPx 11.3 promotion", "mcpx admin response adds topic")
async def test_a_promotion_answers_as_the_specification_shows(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a")

    answer = await gateway.change("agent-a", {"add": [TOOLS], "remove": []})

    assert answer.status_code == 200
    assert answer.json() == {
        "participantId": "agent-a",
        "oldCapabilities": ["mcp/proposal:*", "chat"],
        "newCapabilities": ["mcp/proposal:*", "chat", TOOLS],
        "modifiedBy": "ann",
        "modifiedAt": "2025-08-26T14:00:00.000Z",
        "topic": None,
        "expiresAt": None,
        "version": 1,
    }
    assert answer.headers["cache-control"] == "no-store"


@spec("mcpx delivery promotion welcome")
async def test_the_promoted_gets_a_fresh_welcome_and_the_others_a_join(gateway: GatewayUnderTest) -> None:
    member, agent = await gateway.join("agent-a")
    _, bystander = await gateway.join("bob")

    await gateway.change("agent-a", {"add": [TOOLS]})

    assert agent.of_kind("system/welcome")[-1]["you"]["capabilities"] == [*PROPOSALS, TOOLS]
    assert bystander.of_kind("system/presence")[-1] == {
        "event": "join",
        "participant": {"id": "agent-a", "capabilities": [*PROPOSALS, TOOLS]},
    }
    assert TOOLS in member.capabilities.patterns


@spec("mcpx admin response adds topic")
async def test_a_promotion_in_one_topic_leaves_the_others_alone(gateway: GatewayUnderTest) -> None:
    in_ops, _ = await gateway.join("agent-a", topic="ops")
    in_dev, _ = await gateway.join("agent-a", topic="dev")

    answer = await gateway.change("agent-a", {"add": [TOOLS]}, topic="ops")

    assert answer.json()["topic"] == "ops"
    assert TOOLS in in_ops.capabilities.patterns
    assert TOOLS not in in_dev.capabilities.patterns


@spec("mcpx admin idempotent")
async def test_the_same_promotion_again_changes_nothing_and_tells_nobody(gateway: GatewayUnderTest) -> None:
    _, agent = await gateway.join("agent-a")
    first = await gateway.change("agent-a", {"add": [TOOLS, "mcp/request:resources/*"]})
    welcomes = len(agent.of_kind("system/welcome"))

    second = await gateway.change("agent-a", {"add": [TOOLS]})

    assert second.status_code == 200
    assert second.json()["version"] == first.json()["version"] == 1
    assert second.json()["oldCapabilities"] == second.json()["newCapabilities"]
    assert len(agent.of_kind("system/welcome")) == welcomes


@spec("mcpx admin never seen")
async def test_who_was_never_here_cannot_be_promoted(gateway: GatewayUnderTest) -> None:
    for id in ("nobody", "system:gateway", "%20"):
        answer = await gateway.change(id, {"add": [TOOLS]})

        assert (answer.status_code, answer.json()["code"]) == (404, "participant_unknown")


@spec("mcpx admin not an admin", "mcpx admin hands out its own")
async def test_nobody_hands_out_more_than_its_own_rights(gateway: GatewayUnderTest) -> None:
    member, _ = await gateway.join("agent-a")
    reader = gateway.admin("rita", ["mcp/request:resources/*"])

    answer = await gateway.change("agent-a", {"add": ["mcp/request:resources/read", TOOLS]}, by=reader)

    assert (answer.status_code, answer.json()["code"]) == (403, "beyond_own_rights")
    assert answer.json()["pattern"] == TOOLS
    assert member.capabilities.patterns == PROPOSALS


@spec("mcpx admin hands out its own")
async def test_nobody_hands_out_more_by_reverting_or_shortening_a_removal(gateway: GatewayUnderTest) -> None:
    agent, _ = await gateway.join("agent-a", TOOLS, "chat")
    rita = gateway.admin("rita", ["mcp/request:resources/*"])
    await gateway.change("agent-a", {"remove": [TOOLS]})

    for body in ({"revert": True}, {"revert": [TOOLS]}, {"remove": [TOOLS], "ttl_s": 1}):
        answer = await gateway.change("agent-a", body, by=rita)
        assert (answer.status_code, answer.json()["pattern"]) == (403, TOOLS)

    assert list(agent.capabilities.patterns) == ["chat"]
    assert (await gateway.change("agent-a", {"revert": True})).status_code == 200
    assert list(agent.capabilities.patterns) == [TOOLS, "chat"]


async def test_anybody_may_take_away_what_it_could_not_hand_out(gateway: GatewayUnderTest) -> None:
    member, _ = await gateway.join("agent-a", TOOLS, "chat")

    answer = await gateway.change("agent-a", {"remove": [TOOLS]}, by=gateway.admin("rita", ["chat"]))

    assert answer.status_code == 200
    assert member.capabilities.patterns == ("chat",)


@spec("mcpx admin invalid pattern")
async def test_a_bad_pattern_is_named(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a")

    for pattern in ("*", "system/*", "s*", "mcp/request:a b"):
        answer = await gateway.change("agent-a", {"add": ["chat", pattern]})

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_pattern")
        assert answer.json()["pattern"] == pattern


@spec("mcpx admin conflict changes nothing", "mcpx admin still granted")
async def test_a_removal_that_another_pattern_undoes_changes_nothing(gateway: GatewayUnderTest) -> None:
    member, _ = await gateway.join("agent-a", "mcp/*", "chat")

    answer = await gateway.change("agent-a", {"add": ["mcp/request:x"], "remove": [TOOLS]})

    assert (answer.status_code, answer.json()["code"]) == (409, "still_granted")
    assert (answer.json()["pattern"], answer.json()["granted_by"]) == (TOOLS, "mcp/*")
    assert member.capabilities.patterns == ("mcp/*", "chat")
    assert (await gateway.get("/admin/participants/agent-a")).json()["version"] == 0


async def test_a_removal_everywhere_sees_what_one_topic_adds(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a", TOOLS)
    await gateway.change("agent-a", {"add": ["mcp/request:tools/call:*"]}, topic="ops")

    answer = await gateway.change("agent-a", {"remove": [TOOLS]})

    assert answer.status_code == 409
    assert answer.json()["granted_by"] == "mcp/request:tools/call:*"


async def test_a_removal_sees_what_the_token_of_another_tab_brings(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a", "mcp/*")
    await gateway.join("agent-a", "chat")

    answer = await gateway.change("agent-a", {"remove": [TOOLS]})

    assert (answer.status_code, answer.json()["granted_by"]) == (409, "mcp/*")


@spec("mcpx admin ttl")
async def test_a_promotion_for_an_hour_lapses_after_it(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a")

    answer = await gateway.change("agent-a", {"add": [TOOLS], "ttl_s": 3600})

    assert answer.json()["expiresAt"] == "2025-08-26T15:00:00.000Z"
    gateway.clock.advance(3599)
    assert TOOLS in (await gateway.get("/admin/participants/agent-a")).json()["capabilities"]
    gateway.clock.advance(1)
    shown = (await gateway.get("/admin/participants/agent-a")).json()
    assert TOOLS not in shown["capabilities"]
    assert shown["amendments"] == []
    later, _ = await gateway.join("agent-a")
    assert TOOLS not in later.capabilities.patterns


@spec("mcpx admin listed and reverted")
async def test_a_promotion_is_listed_with_who_when_and_why_and_can_be_reverted(
    gateway: GatewayUnderTest,
) -> None:
    member, _ = await gateway.join("agent-a")
    await gateway.change("agent-a", {"add": [TOOLS], "reason": "42 of 42 approved"}, topic="ops")

    listed = (await gateway.get("/admin/participants/agent-a")).json()["amendments"]
    reverted = await gateway.change("agent-a", {"revert": [TOOLS]}, topic="ops")

    assert listed == [
        {
            "pattern": TOOLS,
            "effect": "added",
            "topic": "ops",
            "expiresAt": None,
            "modifiedBy": "ann",
            "modifiedAt": "2025-08-26T14:00:00.000Z",
            "reason": "42 of 42 approved",
        }
    ]
    assert reverted.json()["newCapabilities"] == list(PROPOSALS)
    assert member.capabilities.patterns == PROPOSALS


@spec("mcpx delivery promotion for later tokens", "mcpx admin durable")
async def test_a_promotion_outlives_the_gateway_and_counts_for_later_tokens(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await gateway.join("agent-a")
        await gateway.change("agent-a", {"add": [TOOLS]})

    async with running(tmp_path) as gateway:
        member, _ = await gateway.join("agent-a", "chat")

        assert member.capabilities.patterns == ("chat", TOOLS)
        assert len((await gateway.get("/admin/audit")).json()["acts"]) == 1


async def test_two_admins_who_read_the_same_record_do_not_overwrite_each_other(
    gateway: GatewayUnderTest,
) -> None:
    await gateway.join("agent-a")
    tag = (await gateway.get("/admin/participants/agent-a")).headers["etag"]
    first = await gateway.change("agent-a", {"add": [TOOLS]}, if_match=tag)

    second = await gateway.change("agent-a", {"add": ["mcp/request:x"]}, if_match=tag)

    assert first.status_code == 200
    assert (second.status_code, second.json()["code"]) == (412, "changed_meanwhile")
    again = await gateway.change("agent-a", {"add": ["mcp/request:x"]}, if_match=first.headers["etag"])
    assert again.status_code == 200


async def test_two_admins_at_once_need_no_tag_since_each_names_its_own_patterns(
    gateway: GatewayUnderTest,
) -> None:
    member, _ = await gateway.join("agent-a")

    both = await asyncio.gather(
        gateway.change("agent-a", {"add": [TOOLS]}),
        gateway.change("agent-a", {"add": ["mcp/request:x"], "remove": ["chat"]}),
    )

    assert [one.status_code for one in both] == [200, 200]
    assert set(member.capabilities.patterns) == {"mcp/proposal:*", TOOLS, "mcp/request:x"}


@spec("mcpx admin topics of the token")
async def test_an_admin_of_some_topics_acts_in_those_alone(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a", topic="ops/eu")
    local = gateway.admin("lou", topics=["ops/*"])

    everywhere = await gateway.change("agent-a", {"add": [TOOLS]}, by=local)
    elsewhere = await gateway.change("agent-a", {"add": [TOOLS]}, by=local, topic="dev")
    there = await gateway.change("agent-a", {"add": [TOOLS]}, by=local, topic="ops/eu")

    assert (everywhere.status_code, everywhere.json()["code"]) == (403, "topic_forbidden")
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "topic_forbidden")
    assert there.status_code == 200


@spec("mcpx admin audited")
async def test_each_act_is_one_item_of_the_audit_refused_ones_included(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a", "mcp/*")
    await gateway.change("agent-a", {"add": ["chat"], "reason": "may talk\nnow"}, topic="ops")
    await gateway.change("agent-a", {"remove": [TOOLS]})
    await gateway.change("nobody", {"add": [TOOLS]})

    shown = (await gateway.get("/admin/audit")).json()

    assert [(act["target"], act["outcome"]) for act in shown["acts"]] == [
        ("nobody", "refused"),
        ("agent-a", "refused"),
        ("agent-a", "done"),
    ]
    done = shown["acts"][2]
    assert (done["who"], done["what"], done["topic"]) == ("ann", "capabilities.change", "ops")
    assert (done["why"], done["facts"]["add"]) == ("may talk\nnow", ["chat"])
    assert done["result"]["newCapabilities"] == ["mcp/*", "chat"]
    assert shown["chain"]["intact"]
    assert verify(gateway.audit.path).lines == 6


@spec("mcpx admin audited")
async def test_an_act_that_cannot_be_written_down_is_not_done(gateway: GatewayUnderTest) -> None:
    member, ear = await gateway.join("agent-a", jti="t1")
    gateway.audit.path.mkdir()

    promotion = await gateway.change("agent-a", {"add": [TOOLS]})
    revocation = await gateway.http.post("/admin/revocations", json={"jti": "t1"}, headers=gateway.admin())

    for answer in (promotion, revocation):
        assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
        assert "retry-after" in answer.headers
    assert member.capabilities.patterns == PROPOSALS
    assert ear.closed is None


async def test_nothing_asked_for_is_nothing_done(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a")

    answer = await gateway.change("agent-a", {})

    assert answer.status_code == 200
    assert answer.json()["version"] == 0
