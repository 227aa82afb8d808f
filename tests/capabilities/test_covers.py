"""`covers` is never wrong to say yes; `overlaps` is never wrong to say no."""

from __future__ import annotations

import pytest
from hypothesis import given

from capabilities import CapabilitySet, Pattern, covers, overlaps
from schemas import Kind
from tests.requirements import spec
from tests.strategies import capability_sets, kinds, patterns


def is_covered(one: str, other: str) -> bool:
    return covers(Pattern.parse(one), Pattern.parse(other))


def do_overlap(one: str, other: str) -> bool:
    found = overlaps(Pattern.parse(one), Pattern.parse(other))
    assert found == overlaps(Pattern.parse(other), Pattern.parse(one))
    return found


@spec("mcpx patterns covers sound")
@given(patterns(), patterns(), kinds())
def test_what_is_covered_is_granted(one: Pattern, other: Pattern, kind: Kind) -> None:
    if covers(one, other) and other.grants(kind):
        assert one.grants(kind)


@spec("mcpx patterns covers sound")
@given(patterns(), patterns(), patterns())
def test_covering_is_passed_on(one: Pattern, other: Pattern, third: Pattern) -> None:
    assert covers(one, one)
    if covers(one, other) and covers(other, third):
        assert covers(one, third)


@spec("mcpx admin still granted")
@given(patterns(), patterns(), kinds())
def test_patterns_that_grant_one_kind_overlap(one: Pattern, other: Pattern, kind: Kind) -> None:
    if one.grants(kind) and other.grants(kind):
        assert overlaps(one, other)
        assert overlaps(other, one)


@spec("mcpx admin still granted")
@given(patterns(), patterns())
def test_a_pattern_overlaps_what_it_covers(one: Pattern, other: Pattern) -> None:
    if covers(one, other):
        assert overlaps(one, other)


@spec("mcpx patterns covers sound")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mcp/*", "mcp/request:tools/call:x"),
        ("mcp/*", "mcp/request:*"),
        ("mcp/*", "mcp/req*st"),
        ("mcp/request:*", "mcp/request:tools/*"),
        ("mcp/request:*", "mcp/request:*/list"),
        ("mcp/request:tools/*", "mcp/request:tools/call"),
        ("mcp/request:tools/call", "mcp/request:tools/call:x"),
        ("mcp/request:tools/call", "mcp/request:tools/call:*"),
        ("mcp/request:*/list", "mcp/request:tools/list"),
        ("mcp/request:*/list", "mcp/request:resources/*/list"),
        ("mcp/request:tools/call:*", "mcp/request:tools/call:a:b"),
        ("mcp/request:tools/call:r*d", "mcp/request:tools/call:re*ad"),
        ("c*", "ch*t"),
        ("chat", "chat"),
        ("a**", "a*"),
        ("a*", "a**"),
    ],
)
def test_a_wider_pattern_covers_a_narrower_one(one: str, other: str) -> None:
    assert is_covered(one, other)


@spec("mcpx patterns covers sound")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mcp/request:tools/*", "mcp/request:*"),
        ("mcp/request:tools/call:x", "mcp/request:tools/call"),
        ("mcp/request:tools/call:*", "mcp/request:tools/call"),
        ("mcp/request:tools/call:x", "mcp/request:tools/call:x*"),
        ("mcp/request:*/list", "mcp/request:*"),
        ("mcp/request:*/list", "mcp/request:tools/*"),
        ("mcp/request", "mcp/request*"),
        ("mcp/request*x", "mcp/request*"),
        ("a:b:c*d", "a:b:c*"),
        ("a:b:c:d", "a:b:c:*"),
        ("mcp/response:*", "mcp/request:ping"),
        ("c*", "chat"),
        ("chat", "ch*t"),
        ("chat", "chat:x"),
    ],
)
def test_a_narrower_or_other_pattern_covers_nothing_wider(one: str, other: str) -> None:
    assert not is_covered(one, other)


@spec("mcpx patterns explain and covers know the implied kinds")
def test_covers_knows_that_withdraw_and_reject_come_along() -> None:
    assert is_covered("mcp/proposal:*", "mcp/withdraw:tools/call")
    assert is_covered("mcp/request:tools/*", "mcp/reject:tools/call:x")
    assert is_covered("mcp/pro*", "mcp/withdraw:*")
    assert not is_covered("mcp/proposal:*", "mcp/reject:tools/call")
    assert not is_covered("mcp/proposal:*", "mcp/withdraw")
    assert not is_covered("mcp/withdraw:*", "mcp/proposal:tools/call")
    assert not is_covered("mcp/pro*:*", "mcp/*:*")


@spec("mcpx patterns covers sound")
def test_what_only_several_patterns_cover_together_is_not_covered() -> None:
    held = CapabilitySet.of(["mcp/request:tools/a*", "mcp/request:tools/call"])

    assert not held.covers(Pattern.parse("mcp/request:tools/*"))


@spec("mcpx patterns set covers")
def test_a_set_covers_a_pattern_if_one_member_does() -> None:
    held = CapabilitySet.of(["chat", "mcp/request:tools/*"])

    assert held.covers(Pattern.parse("mcp/request:tools/call"))
    assert held.covers(Pattern.parse("chat"))
    assert not held.covers(Pattern.parse("mcp/request:*"))


@spec("mcpx patterns set covers")
def test_a_set_covers_another_if_it_covers_each_of_its_patterns() -> None:
    held = CapabilitySet.of(["chat", "mcp/request:tools/*"])

    assert held.covers(CapabilitySet.of(["mcp/request:tools/call", "chat"]))
    assert held.covers(CapabilitySet.of([]))
    assert not held.covers(CapabilitySet.of(["chat", "mcp/response:*"]))


@spec("mcpx patterns set covers")
@given(capability_sets(), capability_sets(), kinds())
def test_what_a_covered_set_grants_is_granted(one: CapabilitySet, other: CapabilitySet, kind: Kind) -> None:
    if one.covers(other) and other.grants(kind):
        assert one.grants(kind)


@spec("mcpx admin still granted")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mcp/*", "mcp/request:tools/call"),
        ("mcp/request:tools/*", "mcp/request:*/list"),
        ("mcp/request:tools/call", "mcp/request:*:x"),
        ("a:*x*", "a:y*"),
        ("a:b*c", "a:*dc"),
        ("a:b*c:d", "a:bxc"),
        ("mcp/withdraw:tools/*", "mcp/proposal:*"),
        ("mcp/withdraw:ping", "mcp/pro*"),
        ("mcp/reject:ping", "mcp/request:p*"),
        ("chat", "chat"),
        ("c*", "ch*"),
    ],
)
def test_patterns_with_a_kind_in_common_overlap(one: str, other: str) -> None:
    assert do_overlap(one, other)


@spec("mcpx admin still granted")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mcp/request:tools/*", "mcp/response:*"),
        ("mcp/request:tools/call:x", "mcp/request:tools/call:y*"),
        ("mcp/request", "mcp/request:*"),
        ("a:b:c", "a:b:c:d"),
        ("a:x*", "a:y*"),
        ("a:*x", "a:*y"),
        ("a:b", "a:*c"),
        ("mcp/withdraw:ping", "mcp/request:ping"),
        ("chat", "c*"),
        ("chat:x", "chat"),
    ],
)
def test_patterns_without_a_kind_in_common_do_not(one: str, other: str) -> None:
    assert not do_overlap(one, other)
