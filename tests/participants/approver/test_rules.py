"""The rules by themselves: who may have what done without a person being asked."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.approver import (
    Asked,
    Effect,
    MemoryRules,
    Rule,
    RuleBook,
    RuleFile,
    RuleRefused,
    RulesUnreadable,
    decide,
    fault_of_rule,
)

NOW = 1_000_000.0
DAY = 86_400.0
ALLOW = Rule(
    "r1",
    Effect.ALLOW,
    "agent",
    "files",
    "tools/call",
    "write",
    NOW + DAY,
    3,
    fingerprint="f" * 64,
    author="ann",
)
DENY = Rule("r2", Effect.DENY, "*", "*", "*", None, NOW + DAY, 1)
WRITE = Asked("agent", "files", "tools/call", "write", {"path": "notes/a.txt"}, "f" * 64)

names = st.sampled_from(
    ["agent", "mallory", "files", "disk", "*", "write", "read", "tools/call", "prompts/get"]
)
rules = st.builds(
    Rule,
    id=st.integers(1, 99).map(lambda number: f"r{number}"),
    effect=st.sampled_from([Effect.ALLOW, Effect.DENY]),
    proposer=names,
    target=names,
    method=names,
    context=st.none() | names,
    expires_at=st.sampled_from([NOW - 1, NOW + 1, NOW + DAY]),
    max_uses=st.integers(1, 3),
    uses=st.integers(0, 3),
    constraint=st.none() | st.just({"required": ["path"]}),
    fingerprint=st.none() | st.sampled_from(["f" * 64, "e" * 64]),
    asker=st.sampled_from([None, "mallory", "ann", "*"]),
)
proposals = st.builds(
    Asked,
    proposer=st.sampled_from(["agent", "mallory"]),
    target=st.sampled_from(["files", "disk"]),
    method=st.sampled_from(["tools/call", "prompts/get"]),
    context=st.sampled_from(["write", "read"]),
    arguments=st.sampled_from([{}, {"path": "x"}]),
    fingerprint=st.none() | st.sampled_from(["f" * 64, "e" * 64]),
    asker=st.sampled_from([None, "mallory", "ann"]),
)


def test_what_a_rule_allows_is_allowed_and_the_rule_is_named() -> None:
    verdict = decide([ALLOW], WRITE, NOW)

    assert (verdict.effect, verdict.rule_id) == (Effect.ALLOW, "r1")
    assert verdict.reason == "rule r1 (by ann) allows it"


def test_what_no_rule_knows_is_asked() -> None:
    assert decide([], WRITE, NOW).effect is Effect.ASK


@given(st.lists(rules, max_size=6), proposals)
def test_deny_beats_allow_in_any_order(several: list[Rule], asked: Asked) -> None:
    forward, backward = decide(several, asked, NOW), decide(several[::-1], asked, NOW)

    assert forward.effect is backward.effect
    if any(one.effect is Effect.DENY and one.is_live(NOW) and one.speaks_of(asked) for one in several):
        assert forward.effect is Effect.DENY


@given(st.lists(rules.filter(lambda one: fault_of_rule(one, NOW) is None), max_size=6), proposals)
def test_a_rule_made_for_one_never_fires_for_another(several: list[Rule], asked: Asked) -> None:
    verdict = decide(several, asked, NOW)

    if verdict.effect is Effect.ALLOW:
        [rule] = [one for one in several if one.id == verdict.rule_id and not one.is_suspended(asked)][:1]
        assert (rule.proposer, rule.target, rule.method) == (asked.proposer, asked.target, asked.method)
        assert rule.asker == asked.asker
        assert rule.method != "tools/call" or rule.context == asked.context


@pytest.mark.parametrize(
    "rule",
    [
        replace(ALLOW, proposer="other"),
        replace(ALLOW, target="disk"),
        replace(ALLOW, context="read"),
        replace(ALLOW, expires_at=NOW),
        replace(ALLOW, uses=3),
        replace(ALLOW, constraint={"properties": {"path": {"pattern": "^public/"}}}),
    ],
)
def test_a_rule_that_does_not_speak_of_it_leaves_it_to_people(rule: Rule) -> None:
    assert decide([rule], WRITE, NOW).effect is Effect.ASK


@pytest.mark.parametrize("asker", [None, "ann", "mallory", ""])
def test_a_rule_for_one_asker_of_a_router_is_for_no_other(asker: str | None) -> None:
    for_router, for_ann = replace(ALLOW, asker=None), replace(ALLOW, asker="ann")
    asked = replace(WRITE, asker=asker)

    assert (decide([for_router], asked, NOW).effect is Effect.ALLOW) is (asker is None)
    assert (decide([for_ann], asked, NOW).effect is Effect.ALLOW) is (asker == "ann")
    assert decide([for_ann, DENY], asked, NOW).effect is Effect.DENY


def test_a_constraint_is_about_the_arguments() -> None:
    rule = replace(ALLOW, constraint={"properties": {"path": {"pattern": "^notes/"}}, "required": ["path"]})

    assert decide([rule], WRITE, NOW).effect is Effect.ALLOW
    assert decide([rule], replace(WRITE, arguments={"path": "/etc/passwd"}), NOW).effect is Effect.ASK
    assert decide([rule], replace(WRITE, arguments={}), NOW).effect is Effect.ASK


@pytest.mark.parametrize("known", ["e" * 64, None])
def test_a_changed_tool_suspends_what_allows_it(known: str | None) -> None:
    verdict = decide([ALLOW], replace(WRITE, fingerprint=known), NOW)

    assert verdict.effect is Effect.ASK
    assert "the tool has changed" in verdict.reason


def test_a_changed_tool_stays_denied() -> None:
    rule = replace(DENY, fingerprint="f" * 64)

    assert decide([rule], replace(WRITE, fingerprint="e" * 64), NOW).effect is Effect.DENY


def test_a_denial_does_not_wear_out() -> None:
    assert decide([replace(DENY, uses=10)], WRITE, NOW).effect is Effect.DENY


@pytest.mark.parametrize(
    "rule",
    [
        replace(ALLOW, proposer="*"),
        replace(ALLOW, target="*"),
        replace(ALLOW, method="*"),
        replace(ALLOW, context=None),
        replace(ALLOW, context="*"),
        replace(ALLOW, expires_at=NOW - 1),
        replace(ALLOW, expires_at=NOW + 1000 * DAY),
        replace(ALLOW, expires_at=float("nan")),
        replace(ALLOW, max_uses=0),
        replace(ALLOW, constraint={"type": "banana"}),
        replace(ALLOW, constraint={"$ref": "http://example.org/x"}),
        replace(ALLOW, effect=Effect.ASK),
        replace(ALLOW, proposer="files"),
        replace(ALLOW, fingerprint=None),
        replace(ALLOW, asker="*"),
    ],
)
def test_a_rule_that_is_too_wide_cannot_be_made(rule: Rule) -> None:
    with pytest.raises(RuleRefused):
        RuleBook().add(rule, NOW)


@pytest.mark.parametrize("keyword", ["$schema", "$ref"])
def test_a_constraint_makes_nobody_fetch_anything(keyword: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/schema"

        with pytest.raises(RuleRefused):
            RuleBook().add(replace(ALLOW, constraint={keyword: url}), NOW)

        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_rule_is_used_up() -> None:
    book = RuleBook()
    book.add(replace(ALLOW, max_uses=2), NOW)

    effects = []
    for _ in range(3):
        verdict = book.decide(WRITE, NOW)
        book.use(verdict)
        effects.append(verdict.effect)

    assert effects == [Effect.ALLOW, Effect.ALLOW, Effect.ASK]
    assert (book.counts.allowed, book.counts.asked) == (2, 1)


def test_harmless_asks_in_great_number_teach_it_nothing() -> None:
    book = RuleBook()
    book.add(replace(ALLOW, constraint={"properties": {"path": {"const": "notes/a.txt"}}}), NOW)
    for _ in range(1_000):
        book.use(book.decide(replace(WRITE, proposer="mallory"), NOW))

    assert book.decide(replace(WRITE, arguments={"path": "secrets"}), NOW).effect is Effect.ASK
    assert book.counts.allowed == 0


def test_an_id_is_never_used_twice() -> None:
    book = RuleBook()
    first = book.add(ALLOW, NOW)
    book.remove(first.id)

    assert book.add(ALLOW, NOW).id != first.id


def test_rules_survive_in_their_file(tmp_path: Path) -> None:
    store = RuleFile(tmp_path / "rules.json")
    book = store.load()
    book.add(replace(ALLOW, constraint={"required": ["path"]}), NOW)
    book.use(book.decide(WRITE, NOW))
    store.save(book)

    again = store.load()

    assert again == book
    assert (tmp_path / "rules.json").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_book_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text('{"rules": [{}]}')

    with pytest.raises(RulesUnreadable):
        RuleFile(tmp_path / "rules.json").load()


@pytest.mark.parametrize(
    "written",
    [
        {"proposer": "*"},
        {"fingerprint": None},
        {"constraint": {"type": "banana"}},
        {"constraint": "any"},
        {"max_uses": "many"},
        {"uses": True},
        {"expires_at": None},
        {"context": 5},
        {"asker": 5},
        {"effect": "ask"},
    ],
    ids=str,
)
def test_a_file_holds_no_rule_that_could_not_be_made(tmp_path: Path, written: dict[str, Any]) -> None:
    store = RuleFile(tmp_path / "rules.json")
    book = RuleBook()
    book.add(ALLOW, NOW)
    said = book.as_json()
    said["rules"][0] |= written
    (tmp_path / "rules.json").write_text(json.dumps(said))

    with pytest.raises(RulesUnreadable):
        store.load()


def test_a_rule_that_has_ended_is_no_fault_in_a_file(tmp_path: Path) -> None:
    store = RuleFile(tmp_path / "rules.json")
    book = RuleBook()
    book.add(ALLOW, NOW)
    store.save(book)

    assert not any(rule.is_live(NOW + 2 * DAY) for rule in store.load())


def test_memory_keeps_what_was_saved() -> None:
    store = MemoryRules()
    book = RuleBook()
    store.save(book)

    assert store.load() is book
