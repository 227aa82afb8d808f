"""What a participant holds: one object for one list, asked for every envelope."""

from __future__ import annotations

import copy
import gc
import pickle

import pytest
from hypothesis import given

from capabilities import EMPTY, CapabilitySet, Pattern, PatternError
from capabilities.sets import KINDS_REMEMBERED
from schemas import Kind
from tests.requirements import spec
from tests.strategies import capability_sets, kinds

CALL = Kind.parse("mcp/request:tools/call:read_file")


def test_order_is_kept_and_doubles_count_once() -> None:
    held = CapabilitySet.of(["mcp/response:*", "chat", "mcp/response:*", "mcp/proposal:*", "chat"])

    assert held.patterns == ("mcp/response:*", "chat", "mcp/proposal:*")


def test_the_same_list_is_the_same_set() -> None:
    first = CapabilitySet.of(["mcp/*", "chat"])

    assert CapabilitySet.of(iter(["mcp/*", "chat", "mcp/*"])) is first
    assert CapabilitySet.of(["chat", "mcp/*"]) is not first


def test_a_list_that_is_known_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    held = CapabilitySet.of(["x-compiled/*", "chat"])
    monkeypatch.setattr(Pattern, "parse", lambda text: pytest.fail(f"{text} is compiled again"))

    assert CapabilitySet.of(["x-compiled/*", "chat"]) is held


def test_a_set_that_nobody_holds_is_forgotten() -> None:
    from capabilities import sets

    CapabilitySet.of(["x-forgotten/*"])
    gc.collect()

    assert ("x-forgotten/*",) not in sets._interned


def test_a_set_is_made_by_its_factory_alone() -> None:
    with pytest.raises(TypeError, match=r"^use CapabilitySet\.of$"):
        CapabilitySet()


@spec("mcpx patterns refusal reason")
def test_a_pattern_that_is_refused_makes_no_set() -> None:
    with pytest.raises(PatternError) as refused:
        CapabilitySet.of(["chat", "system/*", "mcp/*"])

    assert refused.value.text == "system/*"


@given(capability_sets(), kinds())
def test_a_set_grants_what_one_of_its_patterns_grants(held: CapabilitySet, kind: Kind) -> None:
    verdict = any(Pattern.parse(text).grants(kind) for text in held.patterns)

    assert held.grants(kind) == verdict
    assert held.grants(kind) == verdict, "the remembered verdict differs"


@given(capability_sets(), kinds())
def test_the_first_pattern_that_grants_is_named(held: CapabilitySet, kind: Kind) -> None:
    granting = [text for text in held.patterns if Pattern.parse(text).grants(kind)]

    assert held.granted_by(kind) == (granting[0] if granting else None)


@given(capability_sets(), capability_sets(), kinds())
def test_a_union_grants_what_either_grants(one: CapabilitySet, other: CapabilitySet, kind: Kind) -> None:
    both = one.union(other)

    assert both.patterns == tuple(dict.fromkeys(one.patterns + other.patterns))
    assert both.grants(kind) == (one.grants(kind) or other.grants(kind))


@spec("mcpx patterns bounded cache")
def test_a_verdict_is_found_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    held = CapabilitySet.of(["mcp/request:tools/*", "x-remembering/*"])
    asked: list[Kind] = []
    found = CapabilitySet.granted_by

    def count(self: CapabilitySet, kind: Kind) -> str | None:
        asked.append(kind)
        return found(self, kind)

    monkeypatch.setattr(CapabilitySet, "granted_by", count)

    assert [held.grants(CALL) for _ in range(3)] == [True, True, True]
    assert [held.grants(Kind.parse("chat")) for _ in range(3)] == [False, False, False]
    assert asked == [CALL, Kind.parse("chat")]


@spec("mcpx patterns bounded cache")
def test_the_verdicts_kept_are_bounded_and_stay_right() -> None:
    held = CapabilitySet.of(["x-bounded:go:*7"])
    for number in range(KINDS_REMEMBERED):
        assert held.grants(Kind("x-bounded", "go", str(number))) == (number % 10 == 7)
    assert len(held._verdicts) == len(held._kept) == KINDS_REMEMBERED

    assert held.grants(Kind("x-bounded", "go", "a7"))
    assert len(held._verdicts) == len(held._kept) == 1

    for number in range(3 * KINDS_REMEMBERED):
        assert held.grants(Kind("x-bounded", "go", str(number))) == (number % 10 == 7)
        assert len(held._verdicts) == len(held._kept) <= KINDS_REMEMBERED


@spec("mcpx patterns bounded cache")
def test_a_kind_is_kept_as_long_as_its_verdict_so_that_no_other_takes_its_identity() -> None:
    held = CapabilitySet.of(["x-identity:go:yes"])
    for _ in range(500):
        assert held.grants(Kind("x-identity", "go", "yes"))
        assert not held.grants(Kind("x-identity", "go", "no"))


def test_the_empty_set_grants_and_covers_nothing() -> None:
    assert EMPTY.patterns == ()
    assert CapabilitySet.of([]) is EMPTY
    assert not EMPTY.grants(Kind.parse("chat"))
    assert not EMPTY.covers(Pattern.parse("chat"))
    assert EMPTY.covers(EMPTY)


def test_copies_and_what_comes_back_from_a_pickle_are_the_same_set() -> None:
    held = CapabilitySet.of(["mcp/*", "chat"])

    assert copy.copy(held) is held
    assert copy.deepcopy(held) is held
    assert pickle.loads(pickle.dumps(held)) is held


def test_a_set_shows_what_it_holds() -> None:
    assert repr(CapabilitySet.of(["mcp/*", "chat"])) == "CapabilitySet.of(['mcp/*', 'chat'])"
