"""Tokens that are made here are believed here."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from capabilities import (
    PROFILES,
    CapabilitySet,
    KeyRing,
    PatternError,
    TokenRefused,
    TokenSettingsError,
    issue_token,
    keys_from_secret,
)
from schemas import NameRefused
from tests.capabilities.signing import AUDIENCE, ISSUER, KEY, NOW, READER, SECRET


def issue(**changed: Any) -> str:
    wanted: dict[str, Any] = {
        "key": KEY,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "subject": "alice",
        "topics": ["ops"],
        "profile": "full",
        "ttl_s": 60,
        "now": NOW + 0.7,
        "jti": "token-1",
    } | changed
    return issue_token(wanted.pop("key"), **wanted)


def test_a_participants_token_is_read_as_it_was_issued() -> None:
    token = issue(
        topics=iter(["ops", "team/*"]), capabilities=iter(["chat", "chat", "x-acme/*"]), roles=iter(["night"])
    )
    read = READER.read_participant(token, NOW)

    assert (read.id, read.topics, read.roles, read.jti) == ("alice", ("ops", "team/*"), ("night",), "token-1")
    assert (read.iat, read.exp) == (NOW, NOW + 60)
    assert read.capabilities is CapabilitySet.of(["mcp/*", "chat", "x-acme/*"])
    with pytest.raises(TokenRefused):
        READER.read_admin(token, NOW)


def test_an_admins_token_is_read_as_it_was_issued() -> None:
    token = issue(topics=["*"], admin=True)
    read = READER.read_admin(token, NOW)

    assert (read.id, read.topics, read.may_grant) == ("alice", ("*",), PROFILES["full"])
    with pytest.raises(TokenRefused):
        READER.read_participant(token, NOW)


def test_a_token_says_no_more_than_it_must() -> None:
    token = issue()

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "mcpx+jwt"}
    assert jwt.decode(token, options={"verify_signature": False}) == {
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "iat": NOW,
        "exp": NOW + 60,
        "jti": "token-1",
        "topics": ["ops"],
        "profile": "full",
    }


def test_a_token_without_profile_says_what_it_grants_and_no_more() -> None:
    claims = jwt.decode(issue(profile=None, capabilities=[]), options={"verify_signature": False})

    assert claims["capabilities"] == []
    assert not {"profile", "roles"} & set(claims)


def test_a_token_names_the_key_that_has_a_name() -> None:
    (key,) = keys_from_secret(SECRET, kid="2025-08")
    token = issue(key=key)

    assert jwt.get_unverified_header(token)["kid"] == "2025-08"
    assert READER.with_keys(KeyRing([key])).read_participant(token, NOW).id == "alice"


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_token_lives_for_a_while(ttl: int) -> None:
    with pytest.raises(TokenSettingsError, match=r"^A token lives longer than 0 seconds$"):
        issue(ttl_s=ttl)

    assert READER.read_participant(issue(ttl_s=1), NOW).exp == NOW + 1


def test_a_token_grants_by_profile_or_patterns() -> None:
    with pytest.raises(TokenSettingsError, match=r"^A token names capabilities, a profile, or both$"):
        issue(profile=None)


def test_what_no_reader_would_accept_is_not_issued() -> None:
    with pytest.raises(NameRefused, match=r"^'system-x' is no participant id: "):
        issue(subject="system-x")
    with pytest.raises(NameRefused) as refused:
        issue(topics=["ops", "a//b"])
    assert str(refused.value) == (
        "'a//b' is no topic or beginning of topics: a topic's name, or the beginning of one followed by '*'"
    )
    with pytest.raises(PatternError):
        issue(capabilities=["*"])
