"""Which tokens open what (RFC 7519, RFC 8725)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from capabilities import (
    PROFILES,
    CapabilitySet,
    KeyRing,
    Pattern,
    Profiles,
    TokenReader,
    TokenRefusal,
    TokenRefused,
    TokenSettingsError,
)
from tests.capabilities.signing import (
    AUDIENCE,
    ISSUER,
    KEY,
    NOW,
    READER,
    claims,
    encode,
    refusal,
)
from tests.requirements import spec


def test_a_participants_token_says_who_where_and_what() -> None:
    token = encode(claims(roles=["robot", "night"], act={"sub": "bob"}, email="x@example.org"))
    read = READER.read_participant(token, NOW)

    assert (read.id, read.topics, read.jti) == ("alice", ("ops",), "token-1")
    assert (read.iat, read.exp) == (NOW, NOW + 3600)
    assert (read.roles, read.act) == (("robot", "night"), {"sub": "bob"})
    assert read.capabilities is CapabilitySet.of(["mcp/proposal:*", "chat"])
    assert hash(read) == hash(replace(read, act=None))


def test_roles_and_actor_may_be_missing() -> None:
    read = READER.read_participant(encode(claims()), NOW)

    assert (read.roles, read.act) == ((), None)


def test_an_admins_token_says_who_where_and_what_it_may_hand_out() -> None:
    read = READER.read_admin(encode(claims(sub="root", topics=["*"]), typ="mcpx-admin+jwt"), NOW)

    assert (read.id, read.topics, read.jti) == ("root", ("*",), "token-1")
    assert (read.iat, read.exp) == (NOW, NOW + 3600)
    assert read.may_grant is CapabilitySet.of(["mcp/proposal:*", "chat"])


# What it is for.


@spec("mcpx identity participant typ", "mcpx identity admin typ")
@pytest.mark.parametrize("typ", ["mcpx-admin+jwt", "JWT", "", None, "MCPX+JWT", "application/mcpx+jwt", 5])
def test_a_token_of_another_type_is_no_participants(typ: Any) -> None:
    refused = refusal(encode(claims(), typ=typ))

    assert (refused.code, refused.why) == (TokenRefusal.WRONG_TYPE, "its 'typ' must be 'mcpx+jwt'")


@spec("mcpx identity admin typ")
@pytest.mark.parametrize("typ", ["mcpx+jwt", "JWT", None])
def test_a_token_of_another_type_is_no_admins(typ: str | None) -> None:
    with pytest.raises(TokenRefused) as refused:
        READER.read_admin(encode(claims(topics=["*"]), typ=typ), NOW)

    assert (refused.value.code, refused.value.why) == (
        TokenRefusal.WRONG_TYPE,
        "its 'typ' must be 'mcpx-admin+jwt'",
    )


@spec("mcpx identity foreign typ")
def test_the_type_of_a_foreign_issuer_can_be_configured() -> None:
    foreign = TokenReader(
        KeyRing([KEY]), "https://issuer.example", AUDIENCE, participant_typ="at+jwt", admin_typ="adm+jwt"
    )
    token = encode(claims(iss="https://issuer.example"), typ="at+jwt")

    assert foreign.read_participant(token, NOW).id == "alice"
    assert refusal(encode(claims(iss="https://issuer.example")), reader=foreign).code == "wrong_type"
    assert foreign.read_admin(encode(claims(iss="https://issuer.example"), typ="adm+jwt"), NOW).id == "alice"


@spec("mcpx identity foreign typ")
def test_participants_and_admins_cannot_be_given_one_type() -> None:
    with pytest.raises(TokenSettingsError) as refused:
        TokenReader(KeyRing([KEY]), ISSUER, AUDIENCE, participant_typ="JWT", admin_typ="JWT")

    assert str(refused.value) == "Tokens of participants and of admins need different 'typ'"


@pytest.mark.parametrize(
    "missing", [{"issuer": ""}, {"audience": ""}, {"participant_typ": ""}, {"admin_typ": ""}]
)
def test_a_reader_knows_what_to_compare_with(missing: dict[str, Any]) -> None:
    with pytest.raises(TokenSettingsError) as refused:
        replace(READER, **missing)

    assert str(refused.value) == "Issuer, audience and 'typ' of tokens must be named"


@spec("mcpx identity audience exact")
@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
def test_the_audience_is_or_holds_the_gateways_name(audience: Any) -> None:
    assert READER.read_participant(encode(claims(aud=audience)), NOW).id == "alice"


@spec("mcpx identity audience exact")
@pytest.mark.parametrize(
    "audience",
    [
        "",
        "mcpx",
        "mcpx-gateway-2",
        "Mcpx-gateway",
        "mcpx-*",
        "*",
        [],
        ["other"],
        ["mcpx-gateway "],
    ],
)
def test_any_other_audience_is_refused(audience: Any) -> None:
    refused = refusal(encode(claims(aud=audience)))

    assert (refused.code, refused.why) == (
        TokenRefusal.AUDIENCE,
        "its 'aud' must be or hold 'mcpx-gateway'",
    )


@pytest.mark.parametrize("issuer", ["", "MCPX", "mcpx/", "https://mcpx"])
def test_any_other_issuer_is_refused(issuer: str) -> None:
    refused = refusal(encode(claims(iss=issuer)))

    assert (refused.code, refused.why) == (TokenRefusal.ISSUER, "its 'iss' must be 'mcpx'")


NO_STRING: tuple[Any, ...] = (..., None, {}, True, ["x", 5], 5.5)
NO_STRINGS: tuple[Any, ...] = (..., None, {}, True, ["x", 5], 5.5, "text")
NO_TIME: tuple[Any, ...] = (..., None, {}, True, ["x", 5], "12", -1, 1e300)


@spec("mcpx identity required claims")
@pytest.mark.parametrize(
    ("name", "what", "value"),
    [
        *((name, "a string", value) for name in ("iss", "sub", "jti") for value in NO_STRING),
        *((name, "seconds since 1970", value) for name in ("iat", "exp") for value in NO_TIME),
        *((name, "a list of strings", value) for name in ("topics", "aud") for value in NO_STRINGS[:-1]),
        ("topics", "a list of strings", "text"),
        *(("capabilities", "a list of strings", value) for value in NO_STRINGS[1:]),
    ],
)
def test_a_required_claim_is_neither_missing_nor_of_another_type(name: str, what: str, value: Any) -> None:
    refused = refusal(encode(claims(**{name: value})))

    assert (refused.code, refused.why) == (TokenRefusal.CLAIM, f"its '{name}' must be {what}")


@spec("mcpx identity required claims")
def test_a_token_says_what_its_bearer_may_do() -> None:
    refused = refusal(encode(claims(capabilities=...)))

    assert (refused.code, refused.why) == (
        TokenRefusal.CLAIM,
        "it must have 'capabilities', 'profile', or both",
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("roles", "a list of strings"),
        ("act", "an object"),
        ("profile", "a string"),
        ("nbf", "seconds since 1970"),
    ],
)
@pytest.mark.parametrize("value", [None, True, ["x", 5], -5])
def test_an_optional_claim_is_of_its_type_where_it_stands(name: str, what: str, value: Any) -> None:
    refused = refusal(encode(claims(**{name: value})))

    assert (refused.code, refused.why) == (TokenRefusal.CLAIM, f"its '{name}' must be {what}")


@pytest.mark.parametrize("jti", ["", "x" * 257, "a\nb", "é", "\x00"])
def test_a_token_has_an_id_that_can_be_listed_and_revoked(jti: str) -> None:
    refused = refusal(encode(claims(jti=jti)))

    assert (refused.code, refused.why) == (
        TokenRefusal.CLAIM,
        "its 'jti' must be 1 to 256 characters of printable ASCII",
    )


@pytest.mark.parametrize("jti", ["x", "x" * 256, "urn:uuid:2f6b 6e70"])
def test_a_tokens_id_is_any_short_printable_text(jti: str) -> None:
    assert READER.read_participant(encode(claims(jti=jti)), NOW).jti == jti


@spec("mcpx identity sub is a participant id")
@pytest.mark.parametrize(
    "subject", ["", "a b", "system", "System:gateway", "systematic", "a/b", "x" * 129, "é"]
)
def test_a_subject_that_is_no_participant_id_is_refused(subject: str) -> None:
    refused = refusal(encode(claims(sub=subject)))

    assert (refused.code, refused.why) == (TokenRefusal.SUBJECT, "its 'sub' is no participant id")


@spec("mcpx identity cnf")
@pytest.mark.parametrize("cnf", [{"jkt": "x"}, None, {}])
def test_a_token_that_is_bound_to_a_key_is_refused(cnf: Any) -> None:
    refused = refusal(encode(claims(cnf=cnf)))

    assert refused.code is TokenRefusal.BOUND
    assert refused.why == "it is bound to a key ('cnf'), and proof of possession is not built"


# Where it may go.


@spec("mcpx identity token topics")
def test_topics_are_names_or_beginnings_that_end_in_a_star() -> None:
    read = READER.read_participant(encode(claims(topics=["ops", "team/*", "lab-*"])), NOW)

    assert [topic for topic in ("ops", "team/a", "lab-", "lab-7") if not read.may_enter(topic)] == []
    assert [
        topic
        for topic in (
            "ops2",
            "op",
            "Ops",
            "team",
            "teams/a",
            "lab",
            "team/../ops",
            "team//a",
            "team/",
            "ops/x",
        )
        if read.may_enter(topic)
    ] == []


@spec("mcpx identity token topics")
def test_a_lone_star_names_every_topic_and_nothing_that_is_none() -> None:
    read = READER.read_participant(encode(claims(topics=["*"])), NOW)

    assert read.may_enter("ops")
    assert read.may_enter("a/b:c@d")
    assert not read.may_enter("")
    assert not read.may_enter("a b")


@spec("mcpx identity token topics")
@pytest.mark.parametrize(
    "topic", ["", "a b", "a//b", "..", "*/a", "a*b", "a/../*", "//*", "**", "x" * 257, "é*", "x" * 257 + "*"]
)
def test_a_topic_that_is_neither_name_nor_beginning_is_refused(topic: str) -> None:
    refused = refusal(encode(claims(topics=["ops", topic])))

    assert refused.code is TokenRefusal.TOPICS
    assert refused.why == "its 'topics' must be names, or beginnings of names that end in '*'"


@spec("mcpx identity token topics")
@pytest.mark.parametrize(
    "topic", ["x" * 256, "x" * 254 + "/*", "x" * 256 + "*", "a/*", "a/.*", "..*", "a:b@c*"]
)
def test_a_beginning_of_some_name_is_accepted(topic: str) -> None:
    assert READER.read_participant(encode(claims(topics=[topic])), NOW).topics == (topic,)


@spec("mcpx identity token topics")
def test_a_token_without_a_topic_is_refused() -> None:
    refused = refusal(encode(claims(topics=[])))

    assert (refused.code, refused.why) == (TokenRefusal.TOPICS, "its 'topics' name no topic")


@spec("mcpx identity token topics")
def test_an_admin_acts_where_its_token_says() -> None:
    everywhere = READER.read_admin(encode(claims(topics=["ops", "*"]), typ="mcpx-admin+jwt"), NOW)
    somewhere = READER.read_admin(encode(claims(topics=["ops", "team/*"]), typ="mcpx-admin+jwt"), NOW)

    assert everywhere.may_act(None)
    assert everywhere.may_act("lab")
    assert everywhere.may_enter("lab")
    assert not somewhere.may_act(None)
    assert not somewhere.may_act("lab")
    assert not somewhere.may_enter("lab")
    assert somewhere.may_act("ops")
    assert somewhere.may_act("team/a")


# What it may do.


@spec("mcpx identity capabilities and profile")
def test_capabilities_and_profile_add_up() -> None:
    def granted(**changed: Any) -> tuple[str, ...]:
        return READER.read_participant(encode(claims(**changed)), NOW).capabilities.patterns

    assert granted(profile="response-only", capabilities=...) == ("mcp/response:*", "chat")
    assert granted(profile="response-only", capabilities=["mcp/proposal:*", "chat"]) == (
        "mcp/response:*",
        "chat",
        "mcp/proposal:*",
    )
    assert granted(capabilities=[]) == ()


@spec("mcpx identity capabilities and profile", "mcpx proposals profiles by settings")
def test_a_profile_of_the_settings_counts() -> None:
    reader = replace(READER, profiles=Profiles({"docs": ["mcp/request:resources/*"]}))
    token = encode(claims(profile="docs", capabilities=...))

    assert reader.read_participant(token, NOW).capabilities.patterns == ("mcp/request:resources/*",)
    assert refusal(token).code is TokenRefusal.PROFILE


@spec("mcpx identity capabilities and profile")
def test_an_unknown_profile_is_refused_whatever_else_is_granted() -> None:
    refused = refusal(encode(claims(profile="Full")))

    assert (refused.code, refused.why) == (
        TokenRefusal.PROFILE,
        "There is no capability profile 'Full'",
    )


@spec("mcpx identity bad pattern in token")
@pytest.mark.parametrize("pattern", ["*", "s*", "", "mcp/request:", "system/*"])
def test_a_token_with_a_refused_pattern_is_refused_with_the_reason(pattern: str) -> None:
    refused = refusal(encode(claims(capabilities=["chat", pattern])))

    assert refused.code is TokenRefusal.CAPABILITIES
    assert refused.why.startswith(f"{pattern!r} is no capability: ")


@spec("mcpx admin hands out its own")
def test_an_admin_may_hand_out_what_its_own_capabilities_cover() -> None:
    admin = READER.read_admin(
        encode(claims(capabilities=["mcp/request:tools/*", "mcp/proposal:*"]), typ="mcpx-admin+jwt"), NOW
    )

    assert admin.may_grant.covers(Pattern.parse("mcp/request:tools/call:x"))
    assert admin.may_grant.covers(Pattern.parse("mcp/withdraw:*"))
    assert not admin.may_grant.covers(Pattern.parse("mcp/request:*"))
    assert not admin.may_grant.covers(PROFILES["proposal-only"])


# When.


@spec("mcpx identity leeway")
@pytest.mark.parametrize(
    ("changed", "now", "code"),
    [
        ({}, NOW + 3599.9, None),
        ({}, NOW + 3600, TokenRefusal.EXPIRED),
        ({}, NOW + 3601, TokenRefusal.EXPIRED),
        ({"exp": NOW + 0.5}, NOW + 0.4, None),
        ({"exp": NOW + 0.5}, NOW + 0.5, TokenRefusal.EXPIRED),
        ({}, NOW - 30, None),
        ({}, NOW - 30.1, TokenRefusal.NOT_YET),
        ({"nbf": NOW + 60}, NOW + 30, None),
        ({"nbf": NOW + 60}, NOW + 29.9, TokenRefusal.NOT_YET),
        ({"nbf": 0}, NOW, None),
    ],
)
def test_clocks_may_differ_by_half_a_minute_but_the_end_is_the_end(
    changed: dict[str, float], now: float, code: TokenRefusal | None
) -> None:
    token = encode(claims(**changed))

    if code is None:
        assert READER.read_participant(token, now).id == "alice"
    else:
        assert refusal(token, now=now).code is code


def test_a_token_says_whether_it_has_ended_or_not_begun() -> None:
    assert refusal(encode(claims()), now=NOW + 3600).why == "it has expired; get a new one"
    assert refusal(encode(claims()), now=NOW - 60).why == "its 'iat' lies in the future"
    assert refusal(encode(claims(nbf=NOW + 60))).why == "its 'nbf' lies in the future"


@spec("mcpx identity lifetime")
@pytest.mark.parametrize(
    ("lifetime", "limit", "accepted"),
    [
        (86_400, 86_400, True),
        (86_401, 86_400, False),
        (86_401, 90_000, True),
        (3_600, 3_600, True),
        (3_601, 3_600, False),
        (3_600.5, 3_600, False),
        (0.5, 3_600, True),
    ],
)
def test_a_token_lives_no_longer_than_the_setting(lifetime: float, limit: float, accepted: bool) -> None:
    reader = replace(READER, max_lifetime_s=limit)
    token = encode(claims(exp=NOW + lifetime))

    if accepted:
        assert reader.read_participant(token, NOW).exp == NOW + lifetime
    else:
        refused = refusal(token, reader=reader)
        assert refused.code is TokenRefusal.LIFETIME
        assert refused.why == f"from 'iat' to 'exp' must be more than 0 and at most {limit} s"


@spec("mcpx identity lifetime")
def test_the_setting_is_a_day_unless_it_says_otherwise() -> None:
    assert TokenReader(KeyRing([KEY]), ISSUER, AUDIENCE).max_lifetime_s == 24 * 60 * 60


@spec("mcpx identity lifetime")
@pytest.mark.parametrize("expires", [NOW + 20, NOW + 19])
def test_a_token_that_ends_before_it_begins_is_refused(expires: float) -> None:
    refused = refusal(encode(claims(iat=NOW + 20, exp=expires)))

    assert refused.code is TokenRefusal.LIFETIME


@spec("mcpx identity lifetime")
@pytest.mark.parametrize("exp", [10**30, 1e30, 253_402_300_800, "1e400", "NaN", "Infinity"])
def test_a_time_beyond_all_calendars_is_refused(exp: Any) -> None:
    payload = json.dumps(claims(exp=0)).replace('"exp": 0', f'"exp": {exp}').encode()

    assert refusal(encode(payload)).code in {TokenRefusal.CLAIM, TokenRefusal.MALFORMED}


def test_the_last_second_of_all_calendars_is_a_time() -> None:
    reader = replace(READER, max_lifetime_s=1e12)

    assert reader.read_participant(encode(claims(exp=253_402_300_799)), NOW).exp == 253_402_300_799
    assert reader.read_participant(encode(claims(iat=0)), NOW).iat == 0
