"""Who is let in at the admin door, and how requests are read."""

from __future__ import annotations

import httpx
import pytest

from capabilities import Profiles, TokenReader, issue_token
from gateway.broker.protocol import BrokerUnavailable
from gateway.http.admin import ADMIN_OPERATIONS
from tests.gateway.admin.gateway_under_test import AUDIENCE, ISSUER, GatewayUnderTest
from tests.requirements import spec

DOORS = [
    pytest.param(operation.method, operation.path.replace("{id}", "agent-a"), id=operation.id)
    for operation in ADMIN_OPERATIONS
]


@spec("mcpx admin no token")
@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_without_a_token_every_door_is_shut(gateway: GatewayUnderTest, method: str, path: str) -> None:
    answer = await gateway.http.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


@spec("mcpx admin not an admin", "mcpx identity admin typ")
@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_a_participants_token_opens_none(gateway: GatewayUnderTest, method: str, path: str) -> None:
    token = gateway.token("agent-a", ["mcp/*", "chat"])

    answer = await gateway.http.request(method, path, headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["code"]) == (403, "not_an_admin")


@spec("mcpx identity admin typ")
async def test_a_participants_token_that_opens_nothing_is_no_token_here_either(
    gateway: GatewayUnderTest,
) -> None:
    token = gateway.token("agent-a", ["mcp/*"], ttl_s=10)
    gateway.clock.advance(10)

    answer = await gateway.get("/admin/topics", by={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["reason"]) == (401, "wrong_type")


@spec("mcpx identity never in a log")
@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_a_token_that_is_refused_is_not_repeated(
    gateway: GatewayUnderTest, method: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = gateway.token("ann", ["mcp/*"], admin=True, ttl_s=10)
    gateway.clock.advance(10)

    answer = await gateway.http.request(method, path, headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["reason"]) == (401, "expired")
    said = answer.text + str(answer.headers) + "".join(capsys.readouterr())
    assert not any(part in said for part in token.split("."))


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([("Authorization", "Basic YTpi")], id="another scheme"),
        pytest.param([("Authorization", "Bearer ")], id="an empty one"),
        pytest.param([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], id="two"),
    ],
)
async def test_anything_but_one_bearer_token_is_no_token(
    gateway: GatewayUnderTest, given: list[tuple[str, str]]
) -> None:
    answer = await gateway.http.get("/admin/topics", headers=httpx.Headers(given))

    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


async def test_a_token_in_the_query_is_not_looked_at(gateway: GatewayUnderTest) -> None:
    token = gateway.token("ann", ["mcp/*"], admin=True)

    answer = await gateway.http.get("/admin/topics", params={"access_token": token})

    assert answer.status_code == 401
    assert token not in answer.text


@spec("mcpx admin unknown profile")
async def test_a_token_with_an_unknown_profile_is_refused(gateway: GatewayUnderTest) -> None:
    token = issue_token(
        gateway.key,
        issuer=ISSUER,
        audience=AUDIENCE,
        subject="ann",
        topics=["*"],
        profile="emperor",
        ttl_s=60,
        now=gateway.clock.now(),
        jti="j",
        admin=True,
    )

    answer = await gateway.get("/admin/topics", by={"Authorization": f"Bearer {token}"})
    gateway.reader = TokenReader(
        gateway.reader.keys, ISSUER, AUDIENCE, profiles=Profiles({"emperor": ["mcp/*"]})
    )
    known = await gateway.get("/admin/topics", by={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["reason"]) == (401, "profile")
    assert known.status_code == 200


async def test_an_admins_token_can_be_revoked_too(gateway: GatewayUnderTest) -> None:
    mallory, ann = gateway.admin("mallory", jti="stolen"), gateway.admin("ann")
    assert (await gateway.get("/admin/topics", by=mallory)).status_code == 200

    await gateway.http.post("/admin/revocations", json={"jti": "stolen"}, headers=ann)

    answer = await gateway.get("/admin/topics", by=mallory)
    assert (answer.status_code, answer.json()["reason"]) == (401, "revoked")
    assert (await gateway.get("/admin/topics", by=ann)).status_code == 200


async def test_an_admin_revoked_in_one_topic_acts_in_the_others(gateway: GatewayUnderTest) -> None:
    await gateway.join("agent-a", topic="ops")
    lou = gateway.admin("lou", topics=["ops", "dev"], jti="lous")
    await gateway.http.post(
        "/admin/revocations", json={"jti": "lous", "topic": "ops"}, headers=gateway.admin()
    )

    there = await gateway.change("agent-a", {"add": ["chat"]}, by=lou, topic="ops")
    elsewhere = await gateway.change("agent-a", {"add": ["chat"]}, by=lou, topic="dev")

    assert (there.status_code, elsewhere.status_code) == (403, 200)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "cannot be read"),
        (b"[]", "does not fit"),
        (b'{"add": "chat"}', "does not fit"),
        (b'{"add": ["chat"], "add": []}', "stands twice"),
        (b'{"add": [NaN]}', "NaN"),
        (b'{"topic": "ops", "add": []}', "unknown field"),
        (b'{"add": ["chat"], "remove": ["chat"]}', "added and removed at once"),
        (b'{"add": [""]}', "does not fit"),
        (b'{"ttl_s": 0}', "does not fit"),
        (b'{"ttl_s": true}', "does not fit"),
        (b'{"ttl_s": 1e300}', "does not fit"),
        (b'{"reason": "%s"}' % (b"x" * 1001), "does not fit"),
        (b'{"add": %s}' % (b"[" * 5000), "cannot be read"),
        (b"\xff", "cannot be read"),
    ],
)
async def test_a_body_that_is_not_as_it_should_be_is_422_and_says_why(
    gateway: GatewayUnderTest, body: bytes, why: str
) -> None:
    await gateway.join("agent-a")

    answer = await gateway.http.post(
        "/admin/participants/agent-a/capabilities", content=body, headers=gateway.admin()
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert why in answer.json()["detail"]


async def test_a_body_over_the_limit_is_not_read_to_its_end(gateway: GatewayUnderTest) -> None:
    answer = await gateway.http.post(
        "/admin/revocations", content=b'{"reason": "' + b"x" * 70_000, headers=gateway.admin()
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/admin/topics?limit=0", "limit"),
        ("/admin/topics?limit=1001", "limit"),
        ("/admin/topics?limit=-1", "limit"),
        ("/admin/topics?limit=9" + "9" * 5000, "limit"),
        ("/admin/topics?limit=1&limit=2", "limit"),
        ("/admin/topics?topc=ops", "topc"),
        ("/admin/explain?participant=a&kind=chat", "topic"),
        ("/admin/explain?participant=a&topic=/&kind=chat", "topic"),
        ("/admin/explain?participant=system&topic=ops&kind=chat", "participant"),
        ("/admin/explain?participant=a&topic=ops&kind=a:", "kind"),
        ("/admin/audit?before=x", "before"),
    ],
)
async def test_a_wrong_parameter_is_named(gateway: GatewayUnderTest, path: str, parameter: str) -> None:
    answer = await gateway.http.get(path, headers=gateway.admin())

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert answer.json()["parameter"] == parameter


async def test_a_misspelt_topic_does_not_become_an_act_in_all(gateway: GatewayUnderTest) -> None:
    member, _ = await gateway.join("agent-a")

    answer = await gateway.http.post(
        "/admin/participants/agent-a/capabilities?topik=dev",
        json={"add": ["mcp/request:x"]},
        headers=gateway.admin(),
    )

    assert answer.status_code == 400
    assert "mcp/request:x" not in member.capabilities.patterns


async def test_while_the_store_is_away_the_answer_is_503_and_the_act_failed(
    gateway: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.join("agent-a")

    async def away(*_: object) -> None:
        raise BrokerUnavailable("redis://10.0.0.7 refused")

    monkeypatch.setattr(gateway.broker, "amend", away)

    answer = await gateway.change("agent-a", {"add": ["mcp/request:x"]})

    assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable")
    assert "retry-after" in answer.headers
    assert "10.0.0.7" not in answer.text
    (act,) = (await gateway.get("/admin/audit")).json()["acts"]
    assert act["outcome"] == "failed"


async def test_no_page_of_another_origin_is_allowed_to_read(gateway: GatewayUnderTest) -> None:
    answer = await gateway.http.get(
        "/admin/topics", headers={**gateway.admin(), "Origin": "https://evil.example"}
    )

    assert not [name for name in answer.headers if name.startswith("access-control")]
