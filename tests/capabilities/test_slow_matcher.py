"""
Two matchers, written apart, say the same of whatever is drawn.

`PAIRS` in the environment sets how many pairs that is: `make matcher-million` compares a million.
"""

from __future__ import annotations

import os
from functools import cache
from itertools import product
from random import Random

from capabilities import CapabilitySet, Pattern, PatternError, covers, overlaps
from schemas import Kind, KindError
from tests.capabilities.slow_matcher import (
    random_kind,
    random_pattern,
    slow_could_be_reserved,
    slow_grants,
)
from tests.requirements import spec

SEED = 20250826
PAIRS = int(os.environ.get("PAIRS") or 50_000)
RESERVED = ("system", "system/error", "presence", "SYSTEM/x:y", "Presence:join:x", "presence/x")


def parse_kind(text: str) -> Kind | None:
    try:
        return Kind.parse(text)
    except KindError:
        return None


def parse_pattern(text: str) -> Pattern | None:
    try:
        return Pattern.parse(text)
    except PatternError:
        return None


@spec("mcpx patterns agree with slow matcher")
def test_random_pairs_agree_with_the_slow_matcher() -> None:
    random = Random(SEED)
    compared = granted = 0
    while compared < PAIRS:
        origin = random_kind(random)
        text = random_pattern(random, origin)
        pattern = parse_pattern(text)
        if pattern is None:
            continue
        for candidate in (origin, *(random_kind(random) for _ in range(3))):
            kind = parse_kind(candidate)
            if kind is None:
                continue
            verdict = pattern.grants(kind)
            assert verdict == slow_grants(text, candidate), f"{text!r} and {candidate!r}"
            compared += 1
            granted += verdict

    assert 0.2 < granted / compared < 0.8, "the pairs drawn say little"


@cache
def small_kinds() -> list[Kind]:
    """Every kind of at most seven characters of which one stands in the patterns below and one does not."""
    texts = ("".join(letters) for length in range(1, 8) for letters in product("ab:", repeat=length))
    return [kind for text in texts if (kind := parse_kind(text)) is not None]


@cache
def small_patterns() -> dict[Pattern, int]:
    """Every pattern of at most five characters, with the kinds that it grants as the bits of a number."""
    texts = ("".join(letters) for length in range(1, 6) for letters in product("a:*", repeat=length))
    return {
        pattern: sum(1 << bit for bit, kind in enumerate(small_kinds()) if pattern.grants(kind))
        for text in texts
        if (pattern := parse_pattern(text)) is not None
    }


@spec("mcpx patterns agree with slow matcher")
def test_all_small_pairs_agree_with_the_slow_matcher() -> None:
    for pattern, granted in small_patterns().items():
        slow = sum(1 << bit for bit, kind in enumerate(small_kinds()) if slow_grants(str(pattern), str(kind)))

        assert granted == slow, str(pattern)


@spec("mcpx patterns covers sound")
def test_of_all_small_patterns_one_covers_another_exactly_when_it_grants_all_that_the_other_grants() -> None:
    for one, granted_by_one in small_patterns().items():
        for other, granted_by_other in small_patterns().items():
            assert covers(one, other) == (granted_by_other & ~granted_by_one == 0), f"{one} covers {other}"


@spec("mcpx admin still granted")
def test_all_small_patterns_overlap_exactly_when_both_grant_some_kind() -> None:
    for one, granted_by_one in small_patterns().items():
        for other, granted_by_other in small_patterns().items():
            assert overlaps(one, other) == (granted_by_one & granted_by_other != 0), f"{one} meets {other}"


@spec("mcpx patterns refused never matching")
def test_every_small_pattern_that_is_accepted_grants_something() -> None:
    assert [str(pattern) for pattern, granted in small_patterns().items() if not granted] == []


@spec("mcpx patterns refused never matching", "mcpx patterns refused reserved")
def test_every_small_text_that_is_refused_has_an_empty_part_or_could_be_reserved() -> None:
    for length in range(1, 6):
        for letters in product("a:*", repeat=length):
            text = "".join(letters)
            has_empty_part = not all(text.split(":", 2))
            refused = parse_pattern(text) is None

            assert refused == (has_empty_part or slow_could_be_reserved(text)), text


@spec("mcpx patterns refused reserved")
def test_a_pattern_is_refused_exactly_when_it_could_match_a_reserved_kind() -> None:
    random = Random(SEED)
    for _ in range(20_000):
        word = random.choice((*RESERVED, "systems", "presences/x"))
        text = random_pattern(random, word + random.choice(("", "", ":tools/call", "x", "/x")))
        if not text or not all(text.split(":", 2)):
            continue

        assert (parse_pattern(text) is None) == slow_could_be_reserved(text), text


@spec("mcpx patterns nothing grants reserved kinds")
def test_no_random_pattern_grants_a_reserved_kind() -> None:
    random = Random(SEED)
    reserved = [Kind.parse(text) for text in RESERVED]
    patterns = [
        random_pattern(random, random.choice((random_kind(random), text)))
        for text in RESERVED
        for _ in range(3_000)
    ]
    held = CapabilitySet.of(text for text in patterns if parse_pattern(text) is not None)

    assert len(held.patterns) > 1_000
    assert [str(kind) for kind in reserved if held.grants(kind)] == []
