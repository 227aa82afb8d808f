"""What admins see, and what they do not."""

from __future__ import annotations

import pytest

from tests.gateway.admin.gateway_under_test import GatewayUnderTest
from tests.requirements import spec

TOOLS = "mcp/request:tools/*"
CALL = "mcp/request:tools/call:write_file"


@spec("mcpx admin lists")
async def test_participants_are_listed_by_id_in_pages_with_where_they_are(gateway: GatewayUnderTest) -> None:
    await gateway.join("carl", topic="ops")
    await gateway.join("ann", topic="ops")
    await gateway.join("ann", topic="dev")
    bob, _ = await gateway.join("bob", topic="ops")
    gateway.node.leave(bob)

    first = (await gateway.get("/admin/participants", limit=2)).json()
    second = (await gateway.get("/admin/participants", limit=2, after=first["next"])).json()

    shown = [*first["participants"], *second["participants"]]
    assert [(one["participantId"], one["topics"]) for one in shown] == [
        ("ann", ["dev", "ops"]),
        ("bob", []),
        ("carl", ["ops"]),
    ]
    assert second["next"] is None
    assert shown[0]["seenAt"] == "2025-08-26T14:00:00.000Z"


@spec("mcpx admin lists")
async def test_topics_are_listed_with_how_many_are_there(gateway: GatewayUnderTest) -> None:
    await gateway.join("ann", topic="ops")
    await gateway.join("ann", topic="ops")
    await gateway.join("bob", topic="ops")
    await gateway.join("bob", topic="dev")

    shown = (await gateway.get("/admin/topics")).json()

    assert shown == {
        "topics": [
            {"topic": "dev", "participants": 1, "connections": 1},
            {"topic": "ops", "participants": 2, "connections": 3},
        ],
        "next": None,
    }


@spec("mcpx admin topics of the token")
async def test_an_admin_of_some_topics_sees_those_alone(gateway: GatewayUnderTest) -> None:
    await gateway.join("ann", topic="ops")
    await gateway.join("ann", topic="dev")
    await gateway.join("bob", topic="dev")
    await gateway.change("ann", {"add": [TOOLS]}, topic="dev")
    lou = gateway.admin("lou", topics=["ops"])

    participants = (await gateway.get("/admin/participants", by=lou)).json()["participants"]
    ann = (await gateway.get("/admin/participants/ann", by=lou)).json()

    assert [(one["participantId"], one["topics"]) for one in participants] == [("ann", ["ops"])]
    assert {one["topic"] for one in ann["connections"]} == {"ops"}
    assert ann["amendments"] == []
    assert (await gateway.get("/admin/participants/bob", by=lou)).status_code == 404
    assert [one["topic"] for one in (await gateway.get("/admin/topics", by=lou)).json()["topics"]] == ["ops"]
    assert (await gateway.get("/admin/audit", by=lou)).json()["acts"] == []
    explained = await gateway.get("/admin/explain", by=lou, participant="ann", topic="dev", kind="chat")
    assert explained.status_code == 403


@spec("mcpx admin topics of the token")
async def test_of_a_strangers_token_an_admin_of_some_topics_sees_what_it_could_hand_out(
    gateway: GatewayUnderTest,
) -> None:
    await gateway.join("eve", TOOLS, "chat", topic="dev")
    lou = gateway.admin("lou", ["chat", "mcp/request:resources/*"], topics=["ops"])
    everywhere = gateway.admin("ann")

    changed = await gateway.change("eve", {"add": ["mcp/request:resources/read"]}, topic="ops", by=lou)
    refused = await gateway.change("eve", {"remove": [CALL]}, topic="ops", by=lou)
    explained = await gateway.get("/admin/explain", by=lou, participant="eve", topic="ops", kind=CALL)
    shown = await gateway.get("/admin/participants/eve", by=lou)
    audited = await gateway.get("/admin/audit", by=lou)

    assert changed.json()["oldCapabilities"] == ["chat"]
    assert changed.json()["newCapabilities"] == ["chat", "mcp/request:resources/read"]
    assert (refused.status_code, refused.json()["code"]) == (409, "still_granted")
    assert not explained.json()["granted"]
    assert shown.json()["capabilities"] == ["chat"]
    assert not [one.text for one in (changed, refused, explained, shown, audited) if TOOLS in one.text]
    told = await gateway.change("eve", {"remove": [CALL]}, topic="ops", by=everywhere)
    assert told.json()["granted_by"] == TOOLS


@spec("mcpx admin topics of the token")
async def test_of_anothers_act_in_its_topic_such_an_admin_reads_what_was_done_and_nothing_of_the_token(
    gateway: GatewayUnderTest,
) -> None:
    await gateway.join("eve", TOOLS, "chat", topic="dev")
    lou = gateway.admin("lou", ["chat", "mcp/request:resources/*"], topics=["ops"])
    await gateway.change("eve", {"add": ["mcp/request:resources/read"]}, topic="ops", by=gateway.admin("ann"))

    (by_lou,) = (await gateway.get("/admin/audit", by=lou)).json()["acts"]
    (by_ann,) = (await gateway.get("/admin/audit")).json()["acts"]

    assert by_lou["result"] == {"changed": True}
    assert by_lou["facts"]["add"] == ["mcp/request:resources/read"]
    assert by_ann["result"]["newCapabilities"] == [TOOLS, "chat", "mcp/request:resources/read"]


@spec("mcpx admin topics of the token")
async def test_what_a_participant_holds_in_an_admins_topic_is_shown_whole(gateway: GatewayUnderTest) -> None:
    await gateway.join("eve", TOOLS, "chat", topic="ops")
    await gateway.join("eve", "mcp/request:prompts/*", topic="dev")
    lou = gateway.admin("lou", ["chat"], topics=["ops"])

    changed = await gateway.change("eve", {"remove": ["chat"]}, topic="ops", by=lou)
    (listed,) = (await gateway.get("/admin/participants", by=lou)).json()["participants"]

    assert changed.json()["oldCapabilities"] == [TOOLS, "chat"]
    assert changed.json()["newCapabilities"] == [TOOLS]
    assert listed["capabilities"] == []


async def test_one_participant_is_shown_with_each_connection_and_what_it_may_do(
    gateway: GatewayUnderTest,
) -> None:
    member, _ = await gateway.join("ann", "chat", jti="t1")
    await gateway.change("ann", {"add": [TOOLS]})

    answer = await gateway.get("/admin/participants/ann")

    assert answer.headers["etag"] == '"v1"'
    assert answer.json()["connections"] == [
        {
            "connection": member.connection,
            "topic": "ops",
            "jti": "t1",
            "connectedAt": "2025-08-26T14:00:00.000Z",
            "capabilities": ["chat", TOOLS],
        }
    ]


@spec("mcpx admin explain")
async def test_an_explanation_names_the_pattern_and_where_it_comes_from(gateway: GatewayUnderTest) -> None:
    await gateway.join("ann")
    await gateway.change("ann", {"add": [TOOLS], "ttl_s": 60}, topic="ops")

    promoted = await gateway.get("/admin/explain", participant="ann", topic="ops", kind=CALL)
    by_token = await gateway.get("/admin/explain", participant="ann", topic="ops", kind="chat")
    elsewhere = await gateway.get("/admin/explain", participant="ann", topic="dev", kind=CALL)

    assert promoted.json()["granted"]
    assert promoted.json()["by"] == TOOLS
    assert promoted.json()["connected"]
    assert promoted.json()["origin"] == {
        "pattern": TOOLS,
        "source": "added",
        "topic": "ops",
        "expiresAt": "2025-08-26T14:01:00.000Z",
    }
    assert by_token.json()["origin"]["source"] == "token"
    assert not elsewhere.json()["granted"]
    assert not elsewhere.json()["connected"]
    assert elsewhere.json()["mayPropose"]
    assert elsewhere.json()["origin"] is None


@spec("mcpx admin explain")
async def test_an_explanation_names_the_removal_that_took_a_right_away(gateway: GatewayUnderTest) -> None:
    await gateway.join("ann", TOOLS, "chat")
    await gateway.change("ann", {"remove": [TOOLS]})

    shown = (await gateway.get("/admin/explain", participant="ann", topic="ops", kind=CALL)).json()

    assert not shown["granted"]
    assert shown["origin"] == {"pattern": TOOLS, "source": "removed", "topic": None, "expiresAt": None}
    assert f"'{TOOLS}' was removed by an admin" in shown["sentence"]


@spec("mcpx admin explain", "mcpx admin never seen")
async def test_nothing_is_explained_of_who_was_never_here(gateway: GatewayUnderTest) -> None:
    answer = await gateway.get("/admin/explain", participant="nobody", topic="ops", kind=CALL)

    assert (answer.status_code, answer.json()["code"]) == (404, "participant_unknown")


@spec("mcpx admin listed and reverted")
async def test_a_promotion_is_listed_though_the_audit_cannot_say_who_made_it(
    gateway: GatewayUnderTest,
) -> None:
    await gateway.join("ann")
    await gateway.change("ann", {"add": [TOOLS]})
    gateway.audit.path.unlink()
    gateway.audit.path.mkdir()

    (shown,) = (await gateway.get("/admin/participants/ann")).json()["amendments"]
    audit = await gateway.get("/admin/audit")

    assert (shown["pattern"], shown["modifiedBy"], shown["reason"]) == (TOOLS, None, None)
    assert audit.status_code == 503
    assert audit.json()["title"] == "The audit log cannot be used, so nothing was done"


@pytest.mark.parametrize("kind", ["system/welcome", "presence"])
async def test_an_explanation_of_a_reserved_kind_says_that_nothing_grants_it(
    gateway: GatewayUnderTest, kind: str
) -> None:
    await gateway.join("ann", "mcp/*", "chat")

    shown = (await gateway.get("/admin/explain", participant="ann", topic="ops", kind=kind)).json()

    assert not shown["granted"]
    assert "reserved" in shown["sentence"]


@spec("mcpx admin audit read", "mcpx admin audit chain")
async def test_the_audit_is_filtered_paged_and_checked(gateway: GatewayUnderTest) -> None:
    for id in ("ann", "bob", "carl"):
        await gateway.join(id)
        await gateway.change(id, {"add": [TOOLS]}, by=gateway.admin("eve" if id == "bob" else "dan"))

    def targets(shown: dict[str, list[dict[str, str]]]) -> list[str]:
        return [act["target"] for act in shown["acts"]]

    first = (await gateway.get("/admin/audit", limit=2)).json()
    second = (await gateway.get("/admin/audit", before=first["next"])).json()
    by_eve = (await gateway.get("/admin/audit", who="eve")).json()

    assert (targets(first), targets(second), targets(by_eve)) == (["carl", "bob"], ["ann"], ["bob"])
    assert (second["next"], by_eve["next"]) == (None, None)
    assert first["chain"] == {
        "intact": True,
        "lines": 6,
        "head": first["chain"]["head"],
        "brokenAt": None,
        "why": "",
    }

    gateway.audit.path.write_bytes(gateway.audit.path.read_bytes().replace(b"bob", b"rob"))

    broken = (await gateway.get("/admin/audit")).json()
    assert not broken["chain"]["intact"]
    assert broken["chain"]["brokenAt"] == 4
