"""Why a kind may be sent or not, in words that help."""

from __future__ import annotations

import pytest
from hypothesis import given

from capabilities import EMPTY, PROFILES, CapabilitySet, Explanation, Pattern, explain
from schemas import Kind
from tests.requirements import spec
from tests.strategies import capability_sets, kinds

CALL = Kind.parse("mcp/request:tools/call:write_file")


@spec("mcpx patterns explain")
def test_what_is_granted_is_explained_by_the_pattern_that_grants_it() -> None:
    explanation = explain(CapabilitySet.of(["chat", "mcp/request:tools/*", "mcp/*"]), CALL)

    assert explanation == Explanation(
        CALL, granted=True, by="mcp/request:tools/*", nearest=None, closest=None, may_propose=False
    )
    assert explanation.sentence == f"'{CALL}' is granted by 'mcp/request:tools/*'."


@spec("mcpx patterns explain")
def test_what_is_not_granted_is_explained_by_the_nearest_pattern_that_would() -> None:
    explanation = explain(CapabilitySet.of(["chat", "mcp/re", "mcp/request:tool/*", "mcp/response:*"]), CALL)

    assert explanation == Explanation(
        CALL, granted=False, by=None, nearest=str(CALL), closest="mcp/request:tool/*", may_propose=False
    )
    assert explanation.sentence == (
        f"No capability held grants '{CALL}'; '{CALL}' would grant it; "
        "of those held 'mcp/request:tool/*' comes closest."
    )


@spec("mcpx patterns explain")
def test_of_two_patterns_equally_close_the_first_is_named() -> None:
    held = CapabilitySet.of(["mcp/request:prompts/*", "mcp/request:resources/*"])

    assert held.closest(CALL) == "mcp/request:prompts/*"


@spec("mcpx patterns explain")
def test_one_letter_in_common_is_close_where_nothing_is_closer() -> None:
    assert CapabilitySet.of(["chat", "m"]).closest(CALL) == "m"


@spec("mcpx patterns explain")
@pytest.mark.parametrize("held", [EMPTY, CapabilitySet.of(["chat", "x-acme/*"])])
def test_where_nothing_comes_close_nothing_is_said_of_it(held: CapabilitySet) -> None:
    explanation = explain(held, CALL)

    assert explanation.closest is None
    assert explanation.sentence == f"No capability held grants '{CALL}'; '{CALL}' would grant it."


@spec("mcpx patterns explain")
def test_a_request_that_may_be_proposed_is_explained_so() -> None:
    explanation = explain(PROFILES["proposal-only"], CALL)

    assert explanation.may_propose
    assert explanation.sentence == (
        f"No capability held grants '{CALL}'; '{CALL}' would grant it; it may be proposed."
    )


@spec("mcpx patterns explain")
def test_only_a_request_is_offered_as_a_proposal() -> None:
    assert not explain(PROFILES["proposal-only"], CALL.with_family("mcp/reject")).may_propose
    assert not explain(PROFILES["response-only"], CALL).may_propose


@spec("mcpx patterns explain", "mcpx patterns nothing grants reserved kinds")
def test_of_a_reserved_kind_it_is_said_that_nothing_grants_it() -> None:
    kind = Kind.parse("System/welcome")
    explanation = explain(CapabilitySet.of(["Systems"]), kind)

    assert explanation == Explanation(
        kind, granted=False, by=None, nearest=None, closest=None, may_propose=False
    )
    assert explanation.sentence == "'System/welcome' is reserved for the gateway; no capability grants it."


@spec("mcpx patterns explain and covers know the implied kinds")
def test_withdraw_and_reject_are_explained_by_what_they_come_with() -> None:
    held = CapabilitySet.of(["mcp/proposal:*", "mcp/request:tools/*"])

    assert explain(held, Kind.parse("mcp/withdraw:tools/call:x")).by == "mcp/proposal:*"
    assert explain(held, Kind.parse("mcp/reject:tools/call")).by == "mcp/request:tools/*"
    assert explain(held, Kind.parse("mcp/reject:prompts/get")).by is None


@spec("mcpx patterns explain")
@given(capability_sets(), kinds())
def test_what_is_named_as_nearest_would_grant_the_kind(held: CapabilitySet, kind: Kind) -> None:
    explanation = explain(held, kind)

    assert explanation.granted == held.grants(kind)
    assert explanation.by == held.granted_by(kind)
    assert (explanation.nearest is None) == (explanation.granted or kind.is_reserved)
    assert explanation.nearest == held.nearest(kind)
    if explanation.nearest is not None:
        assert Pattern.parse(explanation.nearest).grants(kind)
    if explanation.closest is not None:
        assert explanation.closest in held.patterns
