"""What an admin adds and removes, for how long, and when it is told that it would not work."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities import (
    Amendment,
    CapabilitySet,
    Change,
    Effect,
    Pattern,
    PatternError,
    StillGranted,
    amend,
    effective,
    revert,
)
from schemas import Kind
from tests.requirements import spec
from tests.strategies import kinds, patterns

NOW = 1_756_216_800.0
NOTHING = Amendment("robot")
TOKEN = ("mcp/proposal:*", "mcp/response:*", "chat")


def added(*patterns: str, topic: str | None = None, until: float | None = None) -> Amendment:
    return Amendment("robot", topic, tuple(Change(pattern, Effect.ADDED, until) for pattern in patterns))


def removed(*patterns: str, topic: str | None = None, until: float | None = None) -> Amendment:
    return Amendment("robot", topic, tuple(Change(pattern, Effect.REMOVED, until) for pattern in patterns))


# What holds.


@spec("mcpx delivery promotion effective set")
def test_effective_is_the_tokens_and_added_minus_removed() -> None:
    amendment = amend(NOTHING, add=["mcp/request:tools/*"], remove=["chat"], now=NOW, base=TOKEN)

    assert effective(TOKEN, [amendment], NOW) == ("mcp/proposal:*", "mcp/response:*", "mcp/request:tools/*")
    assert effective(("chat", "mcp/*"), [amendment], NOW) == ("mcp/*", "mcp/request:tools/*")
    assert effective((), [amendment], NOW) == ("mcp/request:tools/*",)
    assert effective(TOKEN, [], NOW) == TOKEN
    assert effective((*TOKEN, "chat"), [], NOW) == TOKEN


@spec("mcpx delivery promotion effective set")
def test_patterns_are_compared_as_text() -> None:
    assert effective(("mcp/**", "chat"), [removed("mcp/*")], NOW) == ("mcp/**", "chat")


@spec("mcpx delivery promotion effective set")
@pytest.mark.parametrize("order", [1, -1])
def test_what_is_said_of_one_topic_wins_over_what_is_said_of_all(order: int) -> None:
    everywhere = amend(added("mcp/request:tools/*"), remove=["chat"], now=NOW)
    here = amend(removed("mcp/request:tools/*", topic="ops"), add=["chat"], now=NOW)

    assert effective(TOKEN, [everywhere, here][::order], NOW) == ("mcp/proposal:*", "mcp/response:*", "chat")
    assert effective(TOKEN, [everywhere], NOW) == ("mcp/proposal:*", "mcp/response:*", "mcp/request:tools/*")


@spec("mcpx delivery promotion expires")
def test_an_added_pattern_lapses_at_its_time() -> None:
    amendment = amend(NOTHING, add=["mcp/request:*"], expires_at=NOW + 60, now=NOW, base=TOKEN)

    assert effective(TOKEN, [amendment], NOW + 59.9) == (*TOKEN, "mcp/request:*")
    assert effective(TOKEN, [amendment], NOW + 60) == TOKEN


@spec("mcpx delivery promotion expires")
def test_a_removed_pattern_is_back_at_its_time() -> None:
    amendment = amend(NOTHING, remove=["chat"], expires_at=NOW + 60, now=NOW, base=TOKEN)

    assert effective(TOKEN, [amendment], NOW + 59.9) == ("mcp/proposal:*", "mcp/response:*")
    assert effective(TOKEN, [amendment], NOW + 60) == TOKEN


@spec("mcpx delivery promotion expires")
def test_a_promotion_for_an_hour_over_a_lasting_removal_ends_in_the_removal() -> None:
    lasting = amend(NOTHING, remove=["chat"], now=NOW, base=TOKEN)
    hour = amend(lasting, add=["chat"], expires_at=NOW + 3600, now=NOW, base=TOKEN)

    assert "chat" in effective(TOKEN, [hour], NOW)
    assert "chat" not in effective(TOKEN, [hour], NOW + 3600)


@spec("mcpx delivery promotion expires")
def test_a_removal_for_an_hour_over_a_lasting_promotion_ends_in_the_promotion() -> None:
    lasting = amend(NOTHING, add=["x-acme/*"], now=NOW)
    hour = amend(lasting, remove=["x-acme/*"], expires_at=NOW + 3600, now=NOW)

    assert effective(TOKEN, [hour], NOW) == TOKEN
    assert effective(TOKEN, [hour], NOW + 3600) == (*TOKEN, "x-acme/*")


# What an admin's call makes of it.


@spec("mcpx delivery promotion effective set")
def test_the_same_call_again_changes_nothing() -> None:
    def once_more(amendment: Amendment) -> Amendment:
        return amend(amendment, add=["x/*", "y/*"], remove=["chat"], expires_at=NOW + 5, now=NOW, base=TOKEN)

    assert once_more(once_more(NOTHING)) == once_more(NOTHING)
    assert once_more(NOTHING).changes == (
        Change("chat", Effect.REMOVED, NOW + 5),
        Change("x/*", Effect.ADDED, NOW + 5),
        Change("y/*", Effect.ADDED, NOW + 5),
    )


def test_a_pattern_named_twice_counts_once() -> None:
    amendment = amend(NOTHING, add=iter(["x/*", "x/*"]), remove=iter(["chat", "chat"]), now=NOW)

    assert [change.pattern for change in amendment.changes] == ["chat", "x/*"]


def test_a_call_that_names_nothing_changes_nothing() -> None:
    assert amend(added("x/*"), now=NOW) == added("x/*")


def test_a_new_time_replaces_the_old_one() -> None:
    shorter = amend(added("x/*"), add=["x/*"], expires_at=NOW + 60, now=NOW)
    longer = amend(shorter, add=["x/*"], expires_at=NOW + 90, now=NOW)

    assert shorter == added("x/*", until=NOW + 60)
    assert longer == added("x/*", until=NOW + 90)
    assert amend(longer, add=["x/*"], now=NOW) == added("x/*")


@pytest.mark.parametrize(
    ("older", "newer", "kept"),
    [
        (None, None, False),
        (NOW + 60, None, False),
        (NOW + 60, NOW + 60, False),
        (NOW + 60, NOW + 90, False),
        (NOW + 90, NOW + 60, True),
        (None, NOW + 60, True),
    ],
)
def test_what_can_never_count_again_is_dropped(older: float | None, newer: float | None, kept: bool) -> None:
    amendment = amend(removed("x/*", until=older), add=["x/*"], expires_at=newer, now=NOW)

    assert amendment.changes == (
        *((Change("x/*", Effect.REMOVED, older),) if kept else ()),
        Change("x/*", Effect.ADDED, newer),
    )


def test_what_is_over_is_dropped_and_other_patterns_are_left_alone() -> None:
    over = amend(added("x/*", "y/*", until=NOW), add=["z/*"], now=NOW - 1)

    assert amend(over, add=["w/*"], now=NOW) == added("z/*", "w/*")


def test_an_amendment_keeps_whom_and_where_it_is_for() -> None:
    amendment = amend(Amendment("robot", "ops"), add=["x/*"], now=NOW)

    assert (amendment.participant, amendment.topic) == ("robot", "ops")
    assert (revert(amendment).participant, revert(amendment).topic) == ("robot", "ops")


@spec("mcpx patterns refusal reason")
@pytest.mark.parametrize("call", [{"add": ["chat", "sys*"]}, {"remove": ["chat", "sys*"]}])
def test_a_refused_pattern_is_named(call: dict[str, Any]) -> None:
    with pytest.raises(PatternError) as refused:
        amend(NOTHING, **call, now=NOW)

    assert refused.value.text == "sys*"


# Removing what another pattern still grants.


@spec("mcpx admin still granted")
@pytest.mark.parametrize(
    ("held", "remove", "by"),
    [
        (["mcp/*", "chat"], "mcp/request:tools/*", "mcp/*"),
        (["mcp/request:tools/*", "mcp/*"], "mcp/request:tools/*", "mcp/*"),
        (["mcp/request:tools/*", "mcp/request:*/list"], "mcp/request:tools/*", "mcp/request:*/list"),
        (["mcp/*", "mcp/request:tools/call:x"], "mcp/*", "mcp/request:tools/call:x"),
        (["mcp/proposal:*", "mcp/withdraw:tools/*"], "mcp/withdraw:tools/*", "mcp/proposal:*"),
        (["mcp/proposal:*", "mcp/withdraw:tools/*"], "mcp/proposal:*", "mcp/withdraw:tools/*"),
        (["mcp/**"], "mcp/*", "mcp/**"),
    ],
)
def test_a_removal_that_leaves_something_granted_names_what_grants_it(
    held: list[str], remove: str, by: str
) -> None:
    with pytest.raises(StillGranted) as refused:
        amend(NOTHING, remove=[remove], now=NOW, base=held)

    assert (refused.value.pattern, refused.value.by) == (remove, by)
    assert str(refused.value) == f"'{remove}' cannot be removed: '{by}' still grants it, wholly or partly"
    assert refused.value.code == "still_granted"


@spec("mcpx admin still granted")
def test_all_that_grant_it_can_be_removed_together() -> None:
    held = ["mcp/*", "mcp/request:tools/*", "chat"]
    amendment = amend(NOTHING, remove=held[:2], now=NOW, base=held)

    assert effective(held, [amendment], NOW) == ("chat",)


@spec("mcpx admin still granted")
def test_what_is_added_in_the_same_call_counts_as_held() -> None:
    with pytest.raises(StillGranted) as refused:
        amend(NOTHING, add=["mcp/*"], remove=["mcp/request:*"], now=NOW, base=["mcp/request:*"])
    assert refused.value.by == "mcp/*"

    with pytest.raises(StillGranted) as refused:
        amend(NOTHING, add=["chat"], remove=["chat"], now=NOW)
    assert refused.value.by == "chat"


@spec("mcpx admin still granted")
def test_what_was_added_before_or_elsewhere_counts_as_held() -> None:
    with pytest.raises(StillGranted):
        amend(added("mcp/*"), remove=["mcp/request:*"], now=NOW, base=["mcp/request:*"])
    with pytest.raises(StillGranted):
        amend(Amendment("robot", "ops"), remove=["mcp/request:*"], now=NOW, others=[added("mcp/*")])

    over = added("mcp/*", until=NOW)
    assert amend(over, remove=["mcp/request:*"], now=NOW) == removed("mcp/request:*")


@spec("mcpx admin still granted")
def test_what_is_not_held_may_be_removed_for_tokens_to_come() -> None:
    amendment = amend(NOTHING, remove=["mcp/request:*"], now=NOW, base=["chat"])

    assert effective(["mcp/request:*", "chat"], [amendment], NOW) == ("chat",)


@spec("mcpx admin still granted")
@given(st.lists(patterns().map(str), min_size=1, max_size=5), st.data(), kinds())
def test_what_an_admin_removed_is_gone(base: list[str], data: st.DataObject, kind: Kind) -> None:
    remove = data.draw(st.lists(st.sampled_from(base), min_size=1))
    try:
        amendment = amend(NOTHING, remove=remove, now=NOW, base=base)
    except StillGranted as refused:
        held = [pattern for pattern in base if pattern not in remove]
        named = refused.by in held and refused.pattern in remove
    else:
        named = True
        if any(Pattern.parse(pattern).grants(kind) for pattern in remove):
            assert not CapabilitySet.of(effective(base, [amendment], NOW)).grants(kind)
    assert named


# Taking it back.


@spec("mcpx delivery promotion effective set")
def test_what_is_reverted_is_as_the_token_says() -> None:
    amendment = amend(added("x/*", "y/*"), remove=["chat"], now=NOW)

    assert revert(amendment) == NOTHING
    assert revert(amendment, iter(["y/*", "chat", "unknown"])) == added("x/*")
    assert effective(TOKEN, [revert(amendment, ["chat"])], NOW) == (*TOKEN, "x/*", "y/*")
    assert revert(amendment, []) == amendment


# Keeping it.


def test_an_amendment_is_kept_as_plain_json() -> None:
    amendment = amend(added("x/*", topic="ops"), remove=["chat"], expires_at=NOW + 60, now=NOW)
    kept = amendment.to_json()

    assert kept == {
        "participant": "robot",
        "topic": "ops",
        "changes": [
            {"pattern": "x/*", "effect": "added", "expires_at": None},
            {"pattern": "chat", "effect": "removed", "expires_at": NOW + 60},
        ],
    }
    assert [type(change["effect"]) for change in kept["changes"]] == [str, str]
    assert Amendment.from_json(json.loads(json.dumps(kept))) == amendment


def without(kept: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in kept.items() if key != name}


@pytest.mark.parametrize(
    "value",
    [
        *(without(NOTHING.to_json(), name) for name in ("participant", "topic", "changes")),
        NOTHING.to_json() | {"changes": [{"pattern": "x", "effect": "widened", "expires_at": None}]},
        NOTHING.to_json() | {"changes": [{"pattern": "x", "effect": "added"}]},
        NOTHING.to_json() | {"changes": 5},
    ],
)
def test_what_is_no_amendment_is_not_read_as_one(value: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Amendment.from_json(value)


def test_a_removal_that_was_undone_for_good_does_not_come_back_with_a_shorter_promotion() -> None:
    amendment = amend(NOTHING, remove=["chat"], now=NOW)
    amendment = amend(amendment, add=["chat"], now=NOW)
    amendment = amend(amendment, add=["chat"], expires_at=NOW + 5, now=NOW)

    assert effective(["chat"], [amendment], NOW + 6) == ("chat",)


def calls() -> st.SearchStrategy[list[tuple[list[str], list[str], float | None]]]:
    few: Iterable[str] = ("chat", "x/a", "x/b", "y/c")
    some = st.lists(st.sampled_from(list(few)), max_size=2)
    return st.lists(st.tuples(some, some, st.one_of(st.none(), st.integers(1, 9).map(float))), max_size=6)


@spec("mcpx delivery promotion effective set", "mcpx delivery promotion expires")
@given(calls(), st.sets(st.sampled_from(["chat", "x/a", "y/c"])), st.integers(0, 10))
def test_for_each_pattern_the_newest_call_in_force_decides(
    calls: list[tuple[list[str], list[str], float | None]], base: set[str], later: int
) -> None:
    amendment = NOTHING
    newest: dict[str, list[tuple[Effect, float | None]]] = {}
    for add, named_too, until in calls:
        remove = [pattern for pattern in named_too if pattern not in add]
        amendment = amend(amendment, add=add, remove=remove, expires_at=until, now=0.0)
        for effect, named in ((Effect.REMOVED, remove), (Effect.ADDED, add)):
            for pattern in named:
                told = newest.setdefault(pattern, [])
                # What a later call outlasts is undone for good: it does not come back when a
                # third call shortens the second.
                told[:] = [
                    (before, end)
                    for before, end in told
                    if before is not effect and until is not None and (end is None or end > until)
                ]
                told.append((effect, until))

    expected = {
        pattern
        for pattern in {*base, *newest}
        if next(
            (
                effect is Effect.ADDED
                for effect, end in reversed(newest.get(pattern, []))
                if end is None or later < end
            ),
            pattern in base,
        )
    }
    assert set(effective(sorted(base), [amendment], float(later))) == expected
