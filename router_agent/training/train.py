"""
Trains the encoder: which tool is meant, whether it fits, and where each value stands.

Each step takes some lessons. An intent should lie nearer to its tool than to all others of
the step and of the last steps; and each parameter, asked of the intent, should point at its
value. The order of the data, and every draw, come from the seed.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as fn

from router_agent.models.layout import sentence
from router_agent.models.wordpiece import WordPiece
from router_agent.training.cases import Case
from router_agent.training.lessons import UNKNOWN, Lesson, Question, lesson_of
from router_agent.training.matching import Met, nearness, relevance
from router_agent.training.network import HEADS, Encoder

_REMEMBERED = 256
"""Tools of the last steps that an intent is told apart from as well: their vectors cost nothing."""
_TRUST = 60
"""Steps after which vectors of earlier steps are still much like new ones."""
_WITH_OTHER = 0.6
"""The share of lessons with a tool that also show one which is not meant."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how strongly to train."""

    steps: int
    seed: int = 0
    lessons: int = 16
    """Lessons in a step."""
    rate: float = 2e-4
    head_rate: float = 1e-3
    warm_up: int = 40
    threads: int = 1
    start: int = 0
    """Steps that were made before; the learning rate goes on from there."""
    settle: int = 0
    """Steps of the heads alone, after `steps`."""
    share: float = 0.75
    """How much the layers keep, when the heads settle, of what training changed in them."""


def train(
    encoder: Encoder,
    pieces: WordPiece,
    cases: Sequence[Case],
    plan: Plan,
    tell: Callable[[int, dict[str, float]], None],
) -> None:
    """Train in place; `tell` hears of the losses after each step."""
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    heads, layers = _parted(encoder)
    rates = [(list(layers.values()), plan.rate), (list(heads.values()), plan.head_rate)]
    warm = plan.warm_up if plan.start == 0 else plan.warm_up // 4
    shares = [
        min(1.0, (step - plan.start + 1) / warm) * max(0.02, 1 - step / plan.steps)
        for step in range(plan.start, plan.steps)
    ]
    encoder.train()
    _descend(encoder, pieces, _batches(pieces, cases, plan), rates, shares, plan.start, tell)


def settle(
    encoder: Encoder,
    begun: Mapping[str, Tensor],
    pieces: WordPiece,
    cases: Sequence[Case],
    plan: Plan,
    tell: Callable[[int, dict[str, float]], None],
) -> None:
    """
    Take the layers part of the way back to where they began, and train the heads on what they then say.

    Trained far, layers know the tools of training by heart, and those that they never met worse than
    before; part of the way back they know both (Wortsman and others, 2022: robust fine-tuning).
    `begun` holds the layers as they were, by name.
    """
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    heads, layers = _parted(encoder)
    with torch.no_grad():
        for name, value in layers.items():
            value.copy_(begun[name] + plan.share * (value - begun[name]))
            value.requires_grad = False
    shares = [max(0.02, 1 - step / plan.settle) for step in range(plan.settle)]
    batches = _batches(pieces, cases, replace(plan, start=plan.steps))
    encoder.train()
    _descend(encoder, pieces, batches, [(list(heads.values()), plan.head_rate / 2)], shares, plan.steps, tell)


def _parted(encoder: Encoder) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What is trained, by name: the heads, and the layers below them."""
    trained = dict[str, Tensor](encoder.trained())
    heads = {name: value for name, value in trained.items() if name.split(".")[0] in HEADS}
    return heads, {name: value for name, value in trained.items() if name not in heads}


def layers_of(encoder: Encoder) -> dict[str, Tensor]:
    """A copy of the layers that training changes, by name."""
    return {name: value.detach().clone() for name, value in _parted(encoder)[1].items()}


def _descend(
    encoder: Encoder,
    pieces: WordPiece,
    batches: Iterator[list[Lesson]],
    rates: Sequence[tuple[list[Tensor], float]],
    shares: Sequence[float],
    before: int,
    tell: Callable[[int, dict[str, float]], None],
) -> None:
    """Make a step for each share of the learning rates; `before`: steps that were made already."""
    trained = [value for values, _ in rates for value in values]
    groups = [{"params": values, "rate": rate} for values, rate in rates]
    optimizer = torch.optim.AdamW(groups, lr=rates[0][1], weight_decay=0.01, fused=True)
    lately = deque[Met](maxlen=_REMEMBERED)
    for number, share in enumerate(shares):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * share
        trusted = tuple(lately) if number > _TRUST else ()
        losses, met = lesson_losses(encoder, pieces, next(batches), trusted)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        lately.extend(met)
        tell(before + number + 1, {name: float(loss.detach()) for name, loss in losses.items()})


def _batches(pieces: WordPiece, cases: Sequence[Case], plan: Plan) -> Iterator[list[Lesson]]:
    draw = random.Random(plan.seed + plan.start)  # noqa: S311 - data, not secrets

    def lessons() -> Iterator[Lesson]:
        while True:
            for number in draw.sample(range(len(cases)), len(cases)):
                # Without a tool, what is not meant is all that a case has to teach.
                some_wrong = not cases[number].expected or draw.random() < _WITH_OTHER
                yield lesson_of(pieces, cases[number], draw, most_others=int(some_wrong))

    source = lessons()
    while True:
        # Intents of like length lie together, so that little is padded.
        pool = sorted((next(source) for _ in range(plan.lessons * 8)), key=lambda one: len(one.words))
        parts = [pool[at : at + plan.lessons] for at in range(0, len(pool), plan.lessons)]
        draw.shuffle(parts)
        yield from parts


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of numbers as one matrix, with their lengths."""
    longest = max(map(len, rows))
    lengths = torch.tensor([len(row) for row in rows])
    return torch.tensor([[*row, *([0] * (longest - len(row)))] for row in rows]), lengths


def lesson_losses(
    encoder: Encoder, pieces: WordPiece, lessons: Sequence[Lesson], lately: Sequence[Met] = ()
) -> tuple[dict[str, Tensor], list[Met]]:
    """The losses of one batch by what they teach, and the tools that it met."""
    ids, lengths = padded([[pieces.cls, *(piece.id for piece in one.words), pieces.sep] for one in lessons])
    hidden = encoder(ids, lengths)
    intents = mean(hidden, lengths)
    offers = list(
        dict.fromkeys(offer for one in lessons for offer in (*([one.tool] if one.tool else []), *one.others))
    )
    tools = _texts(encoder, pieces, [offer.text for offer in offers])
    units = fn.normalize(tools, dim=-1)
    losses = relevance(encoder, lessons, offers, intents, tools, lately)
    losses |= nearness(lessons, offers, fn.normalize(intents, dim=-1), units, lately)
    losses |= _values(encoder, pieces, lessons, hidden)
    return losses, [(vector, offer.purpose) for vector, offer in zip(units.detach(), offers, strict=True)]


def mean(hidden: Tensor, lengths: Tensor) -> Tensor:
    """The mean (batch, width) of each text's token vectors."""
    inside = torch.arange(hidden.shape[1])[None, :] < lengths[:, None]
    return (hidden * inside.unsqueeze(-1)).sum(1) / lengths[:, None]


def _texts(encoder: Encoder, pieces: WordPiece, texts: Sequence[str]) -> Tensor:
    """Mean vectors of texts, in two halves by length, so that little is padded."""
    rows = [sentence(pieces, text) for text in texts]
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    halves = [half for half in (order[: len(order) // 2], order[len(order) // 2 :]) if half]
    found = []
    for half in halves:
        ids, lengths = padded([rows[number] for number in half])
        found.append(mean(encoder(ids, lengths), lengths))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(found)[back]


def _values(
    encoder: Encoder, pieces: WordPiece, lessons: Sequence[Lesson], hidden: Tensor
) -> dict[str, Tensor]:
    asked = [(number, question) for number, one in enumerate(lessons) for question in one.questions]
    if not asked:
        return {}
    losses: dict[str, Tensor] = {}
    texts = list(dict.fromkeys(text for _, one in asked for text in (one.slot, *one.choices)))
    place = {text: number for number, text in enumerate(texts)}
    vectors = _texts(encoder, pieces, texts)
    where = torch.tensor([number for number, _ in asked])
    slots = vectors[torch.tensor([place[one.slot] for _, one in asked])]
    counts = torch.tensor([len(one.words) for one in lessons])[where]
    places = torch.arange(int(counts.max()) + 1)[None] <= counts[:, None]
    starts, ends, seen = encoder.point(slots, hidden[where][:, : places.shape[1]], places)
    for name, scores in (("start", starts), ("end", ends)):
        goals = torch.tensor([getattr(one, name) for _, one in asked])
        if (goals >= 0).any():
            losses[name] = fn.cross_entropy(scores, goals, ignore_index=UNKNOWN)
    truths = torch.tensor([one.truth for _, one in asked])
    if (truths >= 0).any():
        losses["truth"] = 0.3 * fn.cross_entropy(encoder.says(seen, slots), truths, ignore_index=UNKNOWN)
    chosen = [(row, one) for row, (_, one) in enumerate(asked) if one.choice >= 0]
    if chosen:
        losses["choice"] = 0.5 * _choice(encoder, chosen, place, vectors, seen, slots)
    return losses


def _choice(
    encoder: Encoder,
    chosen: Sequence[tuple[int, Question]],
    place: dict[str, int],
    vectors: Tensor,
    seen: Tensor,
    slots: Tensor,
) -> Tensor:
    rows = torch.tensor([row for row, _ in chosen])
    most = max(len(one.choices) for _, one in chosen)
    numbers = [[place[text] for text in one.choices] for _, one in chosen]
    offered = torch.tensor([[*row, *([-1] * (most - len(row)))] for row in numbers])
    scores = encoder.choose(seen[rows], slots[rows], vectors[offered.clamp(min=0)])
    unread = torch.cat([torch.zeros(len(rows), 1, dtype=torch.bool), offered < 0], dim=1)
    return fn.cross_entropy(scores.masked_fill(unread, -1e4), torch.tensor([one.choice for _, one in chosen]))
