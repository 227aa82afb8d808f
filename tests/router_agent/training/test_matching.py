"""What training teaches of tools that an intent is taken for; needs torch, and is skipped without it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="only training needs torch: the extra router-train brings it")

import torch

from router_agent.training.lessons import Lesson, Offer
from router_agent.training.matching import NEAREST, Met, near_misses, relevance
from router_agent.training.network import Encoder, Shape

WIDTH = 32
WANTED = Offer("play song: play music", "play music")
"""What the intent of each test wants."""


def lesson(*, tool: Offer | None = WANTED, others: tuple[Offer, ...] = ()) -> Lesson:
    return Lesson((), tool, others, ())


def ahead(cosine: float) -> torch.Tensor:
    """A unit vector so near to an intent that points along the first axis."""
    out = torch.zeros(WIDTH)
    out[0], out[1] = cosine, (1 - cosine**2) ** 0.5
    return out


def met(purposes: int, near: float = 0.9) -> list[Met]:
    """Tools of other purposes, the first the nearest and each of the others a little farther."""
    return [(ahead(near - 0.02 * number), f"purpose {number}") for number in range(purposes)]


INTENT = ahead(1.0)[None]


def drawn_purposes(lately: list[Met], times: int = 200) -> set[str]:
    found = set()
    for _ in range(times):
        _, vectors = near_misses([lesson()], INTENT, lately)
        found |= {purpose for vector in vectors for near, purpose in lately if torch.equal(near, vector)}
    return found


def test_what_is_drawn_lies_near_and_the_nearest_is_left_out() -> None:
    torch.manual_seed(1)

    drawn = drawn_purposes(met(30))

    assert drawn == {f"purpose {number}" for number in range(1, NEAREST)}


def test_a_tool_of_the_same_purpose_is_never_what_an_intent_is_taken_for() -> None:
    torch.manual_seed(1)
    others = met(NEAREST + 1, near=0.5)
    same = [(ahead(0.99 - 0.01 * number), WANTED.purpose) for number in range(20)]

    assert WANTED.purpose not in drawn_purposes([*same, *others])
    assert WANTED.purpose not in drawn_purposes([*same, *others[:2]])


def test_nothing_is_drawn_for_who_wants_no_tool_or_where_few_were_met() -> None:
    numbers, vectors = near_misses([lesson(tool=None), lesson()], INTENT.repeat(2, 1), met(30))

    assert numbers.tolist() == [1]
    assert vectors.shape == (1, WIDTH)
    assert near_misses([lesson()], INTENT, met(NEAREST))[0].tolist() == []


def test_a_near_miss_of_the_last_steps_is_taught_as_one_that_does_not_fit() -> None:
    torch.manual_seed(1)
    encoder = Encoder(Shape(vocabulary=8, width=WIDTH, layers=1, heads=2, inner=8, positions=8))
    tool, other, lately = ahead(0.95)[None], ahead(-0.5)[None], met(30)
    offers = [WANTED, Offer("set alarm: set an alarm", "set an alarm")]
    taken = torch.stack([vector for vector, _ in lately[1:NEAREST]])
    heads = [*encoder.match.parameters(), *encoder.relevance.parameters()]
    optimizer = torch.optim.Adam(heads, lr=0.01)

    for _ in range(150):
        loss = relevance(encoder, [lesson()], offers, INTENT, torch.cat([tool, other]), lately)["relevance"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    with torch.no_grad():
        fits = torch.sigmoid(encoder.fits(INTENT.repeat(len(taken), 1), taken))
        assert torch.sigmoid(encoder.fits(INTENT, tool)) > 0.5
        assert float(fits.max()) < 0.5
