"""T13: a rule too broad, or taught by many harmless asks: only what a person said is approved."""

from __future__ import annotations

import random
from typing import Any

import pytest

from participants.approver import Asked, Effect, Rule, RuleBook, RuleRefused

NOW = 1_756_216_800.0
DAY = 86_400.0
LOOKED_AT = "f" * 64
SMALL = {
    "type": "object",
    "properties": {"path": {"type": "string", "pattern": "^notes/[a-z]+$"}},
    "required": ["path"],
}


def rule(**fields: Any) -> Rule:
    said: dict[str, Any] = {
        "id": "",
        "effect": Effect.ALLOW,
        "proposer": "agent",
        "target": "files",
        "method": "tools/call",
        "context": "write_file",
        "expires_at": NOW + DAY,
        "max_uses": 50_000,
        "constraint": SMALL,
        "fingerprint": LOOKED_AT,
    }
    return Rule(**{**said, **fields})


def asked(**fields: Any) -> Asked:
    said: dict[str, Any] = {
        "proposer": "agent",
        "target": "files",
        "method": "tools/call",
        "context": "write_file",
        "arguments": {"path": "notes/a"},
        "fingerprint": LOOKED_AT,
    }
    return Asked(**{**said, **fields})


def test_of_a_thousand_decisions_none_is_approved_outside_what_was_labelled() -> None:
    chance, book = random.Random(13), RuleBook()
    book.add(rule(), NOW)
    book.add(rule(effect=Effect.DENY, proposer="*", context=None, constraint=None, target="vault"), NOW)
    approved = 0
    for _ in range(1000):
        one = asked(
            proposer=chance.choice(["agent", "agent", "agent2", "Agent", "ann"]),
            target=chance.choice(["files", "files", "files", "vault", "files2"]),
            context=chance.choice(["write_file", "write_file", "write_files", "delete_file", None]),
            arguments=chance.choice(
                [
                    {"path": "notes/a"},
                    {"path": "notes/../etc"},
                    {"path": "/etc"},
                    {},
                    {"path": ["notes/a"]},
                    [],
                ]
            ),
        )
        is_labelled = one == asked()

        verdict = book.decide(one, NOW + 1)
        book.use(verdict)

        assert (verdict.effect is Effect.ALLOW) is is_labelled
        approved += is_labelled
    assert approved > 10


def test_no_number_of_harmless_asks_teaches_a_rule() -> None:
    book = RuleBook()
    for _ in range(500):
        verdict = book.decide(asked(), NOW)
        book.use(verdict)

        assert verdict.effect is Effect.ASK
    assert list(book) == []


@pytest.mark.parametrize(
    "broad",
    [
        {"proposer": "*"},
        {"target": "*"},
        {"method": "*"},
        {"context": None},
        {"context": "*"},
        {"proposer": "files"},
        {"fingerprint": None},
        {"expires_at": NOW + 400 * DAY},
        {"max_uses": 10**6},
    ],
)
def test_what_allows_is_narrow_and_ends(broad: dict[str, Any]) -> None:
    with pytest.raises(RuleRefused):
        RuleBook().add(rule(**broad), NOW)


def test_a_rule_ends_by_its_time_and_by_its_uses_and_is_taken_away_at_once() -> None:
    book = RuleBook()
    twice = book.add(rule(max_uses=2), NOW)
    for _ in range(2):
        verdict = book.decide(asked(), NOW)
        assert (verdict.effect, verdict.rule_id) == (Effect.ALLOW, twice.id)
        book.use(verdict)
    assert book.decide(asked(), NOW).effect is Effect.ASK

    kept = book.add(rule(), NOW)
    assert book.decide(asked(), NOW + DAY).effect is Effect.ASK
    assert book.decide(asked(), NOW).effect is Effect.ALLOW
    book.remove(kept.id)
    assert book.decide(asked(), NOW).effect is Effect.ASK


def test_what_denies_beats_what_allows_whichever_came_first() -> None:
    for order in ([Effect.ALLOW, Effect.DENY], [Effect.DENY, Effect.ALLOW]):
        book = RuleBook()
        for effect in order:
            book.add(rule(effect=effect), NOW)

        assert book.decide(asked(), NOW).effect is Effect.DENY
