"""What a revocation takes, and what it leaves."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities import AdminClaims, Revocation, is_revoked, still_needed, with_revocation
from tests.capabilities.signing import NOW, READER, claims, encode
from tests.requirements import spec

DAY = 86_400.0


@dataclass(frozen=True)
class Token:
    id: str = "alice"
    jti: str = "token-1"
    iat: float = NOW


def of_token(jti: str = "token-1", **more: Any) -> Revocation:
    facts: dict[str, Any] = {"by": "root", "at": NOW, "max_lifetime_s": DAY} | more
    return Revocation.of_token(jti, **facts)


def of_participant(participant: str = "alice", **more: Any) -> Revocation:
    facts: dict[str, Any] = {"by": "root", "at": NOW, "max_lifetime_s": DAY} | more
    return Revocation.of_participant(participant, **facts)


@spec("mcpx identity revoked by jti")
def test_a_revocation_by_jti_takes_that_token_alone() -> None:
    assert is_revoked([of_token()], Token(), "ops")
    assert is_revoked([of_token()], Token(id="bob", iat=NOW + 1000), None)
    assert not is_revoked([of_token()], Token(jti="token-2"), "ops")
    assert not is_revoked([of_token("alice")], Token(), "ops")


@spec("mcpx identity revoked by participant")
@pytest.mark.parametrize(
    ("issued", "taken"),
    [(NOW - 1000, True), (NOW, True), (NOW + 0.9, True), (NOW + 1, False), (NOW + 1000, False)],
)
def test_a_revocation_by_participant_takes_tokens_up_to_its_second(issued: float, taken: bool) -> None:
    revocation = of_participant(at=NOW + 0.3)

    assert revocation.until_iat == NOW
    assert is_revoked([revocation], Token(iat=issued), "ops") == taken


@spec("mcpx identity revoked by participant")
def test_a_revocation_by_participant_takes_nobody_elses() -> None:
    assert not is_revoked([of_participant()], Token(id="bob"), "ops")
    assert not is_revoked([of_participant("token-1")], Token(), "ops")


@spec("mcpx identity revoked by jti", "mcpx identity revoked by participant")
@pytest.mark.parametrize("revoke", [of_token, of_participant])
def test_a_revocation_for_one_topic_takes_nothing_elsewhere(revoke: Any) -> None:
    assert is_revoked([revoke(topic="ops")], Token(), "ops")
    assert not is_revoked([revoke(topic="ops")], Token(), "lab")
    assert not is_revoked([revoke(topic="ops")], Token())
    assert is_revoked([revoke()], Token())


def test_one_of_many_is_enough() -> None:
    assert is_revoked(iter([of_token("x"), of_participant("y"), of_token()]), Token(), "ops")
    assert not is_revoked([], Token(), "ops")


def test_what_a_token_says_can_be_revoked() -> None:
    participant = READER.read_participant(encode(claims()), NOW)
    admin: AdminClaims = READER.read_admin(encode(claims(topics=["*"]), typ="mcpx-admin+jwt"), NOW)

    assert is_revoked([of_token()], participant, "ops")
    assert is_revoked([of_participant()], admin)
    assert not is_revoked([of_participant(at=NOW - 1)], admin)


def test_a_revocation_says_who_what_when_and_why() -> None:
    by_token = of_token(topic="ops", reason="lost")
    by_participant = of_participant(topic="ops", reason="left", at=NOW + 0.5)

    assert by_token == Revocation(
        jti="token-1", topic="ops", reason="lost", by="root", at=NOW, expires_at=NOW + DAY + 60
    )
    assert by_participant == Revocation(
        participant="alice",
        topic="ops",
        until_iat=NOW,
        reason="left",
        by="root",
        at=NOW + 0.5,
        expires_at=NOW + 0.5 + DAY + 60,
    )
    assert (of_token().reason, of_token().topic, of_participant().reason) == ("", None, "")
    assert of_participant().topic is None


@spec("mcpx identity revoked by jti", "mcpx identity revoked by participant")
@pytest.mark.parametrize("ahead", [0.0, 30.0])
def test_a_revocation_outlasts_every_token_that_it_takes(ahead: float) -> None:
    longest = READER.read_participant(encode(claims(iat=NOW + ahead, exp=NOW + ahead + DAY)), NOW)

    assert of_token().expires_at >= longest.exp


def test_a_revocation_that_can_take_no_token_any_more_is_forgotten() -> None:
    old, new = of_token(at=NOW - 100), of_token(at=NOW)

    assert still_needed([old, new], old.expires_at - 0.1) == [old, new]
    assert still_needed(iter([old, new]), old.expires_at) == [new]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "a revocation names a jti or a participant, and not both"),
        (
            {"jti": "1", "participant": "alice", "until_iat": NOW},
            "a revocation names a jti or a participant, and not both",
        ),
        ({"participant": "alice"}, "until_iat goes with a participant, and a participant with until_iat"),
        (
            {"jti": "1", "until_iat": NOW},
            "until_iat goes with a participant, and a participant with until_iat",
        ),
    ],
)
def test_a_revocation_is_by_token_or_by_participant(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        Revocation(**fields, by="root", at=NOW, expires_at=NOW)


@pytest.mark.parametrize("revocation", [of_token(topic="ops"), of_participant(reason="left")])
def test_a_revocation_is_kept_as_plain_json(revocation: Revocation) -> None:
    assert Revocation.from_json(json.loads(json.dumps(revocation.to_json()))) == revocation
    assert set(revocation.to_json()) == {
        *("jti", "participant", "topic", "until_iat", "reason", "by", "at", "expires_at")
    }


@pytest.mark.parametrize("value", [{}, {"jti": "1"}, of_token().to_json() | {"more": 1}])
def test_what_is_no_revocation_is_not_read_as_one(value: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Revocation.from_json(value)


def some_revocations() -> st.SearchStrategy[Revocation]:
    return st.builds(
        lambda of, name, **facts: of(name, **facts),
        of=st.sampled_from([of_token, of_participant]),
        name=st.sampled_from(["alice", "bob"]),
        topic=st.sampled_from([None, "ops"]),
        at=st.floats(NOW - 5, NOW + 5),
        max_lifetime_s=st.sampled_from([60.0, DAY]),
    )


@given(
    st.lists(some_revocations(), max_size=8), st.sampled_from(["alice", "bob"]), st.floats(NOW - 6, NOW + 6)
)
def test_revoked_again_and_again_one_is_kept_for_each_name_and_topic_and_nothing_is_given_back(
    history: list[Revocation], name: str, iat: float
) -> None:
    kept: list[Revocation] = []
    for each in history:
        kept = with_revocation(kept, each)

    names = [(each.jti, each.participant, each.topic) for each in kept]
    assert sorted(map(str, set(names))) == sorted(map(str, names))
    for claims_, topic, now in itertools.product(
        (Token(name, "t", iat), Token("carl", name, iat)), (None, "ops"), (NOW, NOW + 120, NOW + DAY)
    ):
        assert is_revoked(still_needed(kept, now), claims_, topic) >= is_revoked(
            still_needed(history, now), claims_, topic
        )
