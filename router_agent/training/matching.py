"""
What training says of which tool is meant: how near an intent lies to it, and whether it fits.

Beside the tools of a step stand those of the last steps. An intent should lie nearer to its own
than to all of them; and of those that it does lie near, one is taught as one that does not fit,
for such are what a router has to refuse.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as fn

from router_agent.training.lessons import Lesson, Offer
from router_agent.training.network import Encoder

_SHARPNESS = 20.0
NEAREST = 10
"""Of the tools of the last steps, the nearest to an intent that one is drawn from which it is taken for."""

Met = tuple[Tensor, str]
"""The unit vector of a tool, and what it is for."""


def relevance(
    encoder: Encoder,
    lessons: Sequence[Lesson],
    offers: Sequence[Offer],
    intents: Tensor,
    tools: Tensor,
    lately: Sequence[Met] = (),
) -> dict[str, Tensor]:
    """Whether tools fit: the one that is meant, some that lie beside it, and one that it is taken for."""
    place = {offer: number for number, offer in enumerate(offers)}
    pairs: list[tuple[int, int, float]] = []
    for number, one in enumerate(lessons):
        pairs += [(number, place[offer], 0.0) for offer in one.others]
        if one.tool is not None:
            pairs.append((number, place[one.tool], 1.0))
            far = offers[(place[one.tool] + 1) % len(offers)]
            if far.purpose != one.tool.purpose:
                pairs.append((number, place[far], 0.0))
    numbers, missed = near_misses(lessons, intents, lately)
    scores = encoder.fits(
        torch.cat([intents[torch.tensor([one for one, *_ in pairs])], intents[numbers]]),
        torch.cat([tools[torch.tensor([two for _, two, _ in pairs])], missed]),
    )
    goals = torch.cat([torch.tensor([goal for *_, goal in pairs]), torch.zeros(len(numbers))])
    return {"relevance": fn.binary_cross_entropy_with_logits(scores, goals)}


def near_misses(lessons: Sequence[Lesson], intents: Tensor, lately: Sequence[Met]) -> tuple[Tensor, Tensor]:
    """
    Numbers of intents that want a tool, and for each the unit vector of a tool that it is taken for.

    That is one of the last steps, for another purpose, and near. The nearest is left out: it may
    do the same in other words.
    """
    wanting = [(number, one.tool.purpose) for number, one in enumerate(lessons) if one.tool is not None]
    if not wanting or len(lately) <= NEAREST:
        return torch.empty(0, dtype=torch.long), intents[:0]
    numbers = torch.tensor([number for number, _ in wanting])
    keys = torch.stack([vector for vector, _ in lately])
    near = fn.normalize(intents[numbers].detach(), dim=-1) @ keys.T
    same = torch.tensor([[purpose == other for _, other in lately] for _, purpose in wanting])
    ranked = near.masked_fill(same, -2.0).topk(NEAREST).indices[:, 1:]
    drawn = ranked.gather(1, torch.randint(ranked.shape[1], (len(wanting), 1))).squeeze(1)
    # Where most were for the same, some of the nearest are as well.
    apart = ~same[torch.arange(len(wanting)), drawn]
    return numbers[apart], keys[drawn[apart]]


def nearness(
    lessons: Sequence[Lesson],
    offers: Sequence[Offer],
    intents: Tensor,
    tools: Tensor,
    lately: Sequence[Met],
) -> dict[str, Tensor]:
    """How far intents lie from their tools, beside all others; the same purpose again is no other."""
    wanting = [(number, one.tool) for number, one in enumerate(lessons) if one.tool is not None]
    if not wanting:
        return {}
    purposes = [offer.purpose for offer in offers] + [purpose for _, purpose in lately]
    keys = torch.cat([tools, *([torch.stack([vector for vector, _ in lately])] if lately else [])])
    scores = _SHARPNESS * intents[torch.tensor([number for number, _ in wanting])] @ keys.T
    goals = torch.tensor([offers.index(tool) for _, tool in wanting])
    same = torch.tensor([[purpose == tool.purpose for purpose in purposes] for _, tool in wanting])
    same[torch.arange(len(wanting)), goals] = False
    return {"nearness": fn.cross_entropy(scores.masked_fill(same, -1e4), goals)}
