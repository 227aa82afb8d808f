"""How many may be inside at once, and how often one may come."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import Rate
from gateway.http import turnstile as module
from gateway.http.problems import Problem, ProblemCode
from gateway.http.turnstile import DoorLimits, Pass, Turnstile

OFTEN = Rate(1e6, 1e6)


def enter(turnstile: Turnstile, now: float = 0.0, **changed: Any) -> Pass:
    return turnstile.enter(
        **{"jti": "t1", "participant": "ann", "address": "203.0.113.7", "monotonic": now, **changed}
    )


def refused(turnstile: Turnstile, now: float = 0.0, **changed: Any) -> Problem:
    with pytest.raises(Problem) as problem:
        enter(turnstile, now, **changed)
    return problem.value


def test_a_token_opens_so_many_connections_and_another_when_one_has_ended() -> None:
    turnstile = Turnstile(DoorLimits(per_token=2, joins=OFTEN))
    first, _ = enter(turnstile), enter(turnstile)

    problem = refused(turnstile)
    enter(turnstile, jti="t2")
    turnstile.leave(first)
    enter(turnstile)

    assert (problem.code, problem.status) == (ProblemCode.TOO_MANY_CONNECTIONS, 429)
    assert (problem.facts, "Retry-After" in problem.headers) == ({"per": "token", "most": 2}, True)


def test_an_address_holds_so_many_whoever_they_are() -> None:
    turnstile = Turnstile(DoorLimits(per_address=2, joins=OFTEN))
    enter(turnstile)
    enter(turnstile, jti="t2", participant="bob")

    assert refused(turnstile, jti="t3", participant="eve").facts["per"] == "address"
    enter(turnstile, jti="t3", participant="eve", address="203.0.113.8")


def test_who_comes_and_goes_without_pause_is_told_when_to_come_again() -> None:
    turnstile = Turnstile(DoorLimits(joins=Rate(0.5, 3)))
    for _ in range(3):
        turnstile.leave(enter(turnstile))

    problem = refused(turnstile)

    assert (problem.code, problem.headers["Retry-After"]) == (ProblemCode.TOO_MANY_REQUESTS, "2")
    turnstile.leave(enter(turnstile, participant="bob"))
    turnstile.leave(enter(turnstile, now=2.0))


def test_another_token_is_no_fresh_start_for_the_same_participant() -> None:
    turnstile = Turnstile(DoorLimits(joins=Rate(0.5, 3)))
    for n in range(3):
        enter(turnstile, jti=f"t{n}")

    assert refused(turnstile, jti="another").code is ProblemCode.TOO_MANY_REQUESTS


def test_paces_that_are_kept_are_bounded_and_those_who_hurry_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 100)
    turnstile = Turnstile(DoorLimits(joins=Rate(1, 3)))
    for n in range(1_000):
        turnstile.leave(enter(turnstile, now=n * 10.0, participant=f"p{n}"))
    for _ in range(3):
        turnstile.leave(enter(turnstile, now=10_000.0))
    for n in range(200):
        turnstile.leave(enter(turnstile, now=10_000.0 + n * 0.001, participant=f"q{n}"))

    assert len(turnstile._paces) <= 404
    assert refused(turnstile, now=10_000.5).code is ProblemCode.TOO_MANY_REQUESTS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.booleans()), max_size=60))
def test_whoever_comes_and_goes_the_counts_are_those_who_are_inside(
    history: list[tuple[str, str, bool]],
) -> None:
    turnstile = Turnstile(DoorLimits(per_token=3, per_address=4, joins=OFTEN))
    inside: list[Pass] = []
    for jti, address, comes in history:
        if not comes and inside:
            used = inside.pop(0)
            turnstile.leave(used)
            turnstile.leave(used)
            continue
        tokens, addresses = Counter(p.jti for p in inside), Counter(p.address for p in inside)
        if tokens[jti] < 3 and addresses[address] < 4:
            inside.append(enter(turnstile, jti=jti, address=address))
        else:
            refused(turnstile, jti=jti, address=address)
    for used in inside:
        turnstile.leave(used)

    assert not turnstile._by_token
    assert not turnstile._by_address
