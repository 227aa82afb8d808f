"""The short form of fuzzing: every seed, what once broke something, and the same changes every time."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.targets import TARGETS, mutated, seeds

CHANGED = 4_000


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_keeps_the_promises(name: str) -> None:
    known = seeds(name)

    assert len(known) >= 5
    for seed in known:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_thousands_of_changed_seeds_keep_the_promises(name: str) -> None:
    random, known = Random(f"fuzz {name}"), seeds(name)

    for n in range(CHANGED):
        data = mutated(random, known[n % len(known)], random.choice(known))
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"for {data!r}")
            raise
