"""
Trains the encoder: which tool is meant, whether it fits, and where each value stands.

Each step takes some pages (relevance, pointers, booleans, choices) and some pairs (an
intent should lie nearer to its tool than to the others of the step). The order of the
data, and every draw, come from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional as fn

from router_agent.models.layout import sentence
from router_agent.models.wordpiece import WordPiece
from router_agent.training.cases import Case
from router_agent.training.network import HEAD, Encoder
from router_agent.training.pages import UNKNOWN, Page, Pair, pages_of, pair_of

_SHARPNESS = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how strongly to train."""

    steps: int
    seed: int = 0
    pages: int = 24
    pairs: int = 16
    pair_every: int = 3
    """Steps from one batch of pairs to the next: they cost as much as pages and teach less."""
    rate: float = 1e-4
    head_rate: float = 1e-3
    warm_up: int = 60
    threads: int = 1
    start: int = 0
    """Steps that were made before; the learning rate goes on from there."""


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
    heads = {id(value) for name, value in encoder.named_parameters() if name.split(".")[0] in _HEADS}
    groups = [
        {"params": [value for value in encoder.parameters() if id(value) not in heads], "rate": plan.rate},
        {"params": [value for value in encoder.parameters() if id(value) in heads], "rate": plan.head_rate},
    ]
    optimizer = torch.optim.AdamW(groups, lr=plan.rate, weight_decay=0.01)
    batches = _batches(pieces, cases, plan)
    encoder.train()
    for step in range(plan.start, plan.steps):
        warm = plan.warm_up if plan.start == 0 else 10
        share = min(1.0, (step - plan.start + 1) / warm) * max(0.02, 1 - step / plan.steps)
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * share
        pages, pairs = next(batches)
        losses = page_losses(encoder, pages)
        if step % plan.pair_every == 0:
            losses["pairs"] = pair_loss(encoder, pieces, pairs)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        tell(step + 1, {name: float(loss.detach()) for name, loss in losses.items()})


_HEADS = {"asked", "found", "truth", "unchosen", "match", "relevance"}


def _batches(pieces: WordPiece, cases: Sequence[Case], plan: Plan) -> Iterator[tuple[list[Page], list[Pair]]]:
    draw = random.Random(plan.seed + plan.start)  # noqa: S311 - data, not secrets

    def pages() -> Iterator[Page]:
        while True:
            for number in draw.sample(range(len(cases)), len(cases)):
                # A wrong tool's page teaches one thing, a right one's as many as it has slots.
                some_wrong = not cases[number].expected or draw.random() < 0.5
                yield from pages_of(pieces, cases[number], most_wrong=int(some_wrong))

    def pairs() -> Iterator[Pair]:
        while True:
            for number in draw.sample(range(len(cases)), len(cases)):
                pair = pair_of(cases[number])
                if pair is not None:
                    yield pair

    page_source, pair_source = pages(), pairs()
    while True:
        # Pages of like length lie together, so that little is padded.
        pool = sorted(islice(page_source, plan.pages * 16), key=lambda page: len(page.sheet.ids))
        parts = [pool[at : at + plan.pages] for at in range(0, len(pool), plan.pages)]
        draw.shuffle(parts)
        for part in parts:
            yield part, list(islice(pair_source, plan.pairs))


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of numbers as one matrix, with their lengths."""
    longest = max(map(len, rows))
    lengths = torch.tensor([len(row) for row in rows])
    return torch.tensor([[*row, *([0] * (longest - len(row)))] for row in rows]), lengths


def page_losses(encoder: Encoder, pages: Sequence[Page]) -> dict[str, Tensor]:
    """The losses of one batch of pages, by what they teach."""
    hidden = encoder(*padded([page.sheet.ids for page in pages]))
    losses: dict[str, Tensor] = {}
    wanted = torch.tensor([page.relevant for page in pages])
    relevance = encoder.relevance(torch.tanh(encoder.match(hidden[:, 0]))).squeeze(-1)
    known = wanted >= 0
    if known.any():
        losses["relevance"] = fn.binary_cross_entropy_with_logits(relevance[known], wanted[known].float())
    rows = [
        (number, at, target, markers)
        for number, page in enumerate(pages)
        for at, target, markers in zip(page.sheet.masks, page.targets, page.sheet.markers, strict=False)
    ]
    if not rows:
        return losses
    where = torch.tensor([number for number, *_ in rows])
    masks = hidden[where, torch.tensor([at for _, at, *_ in rows])]
    asked = encoder.asked(masks)
    found = encoder.found(hidden)
    longest = max(len(page.sheet.intent) for page in pages) + 1
    allowed = (
        torch.arange(longest)[None]
        <= torch.tensor([len(page.sheet.intent) for page in pages])[where][:, None]
    )
    for number, name in enumerate(("start", "end")):
        goal = torch.tensor([getattr(target, name) for _, _, target, _ in rows])
        if (goal >= 0).any():
            part = slice(number * HEAD, (number + 1) * HEAD)
            scores = torch.einsum("sh,slh->sl", asked[:, part], found[where][:, :longest, part]) / HEAD**0.5
            scores = scores.masked_fill(~allowed, -1e4)
            losses[name] = fn.cross_entropy(scores, goal, ignore_index=UNKNOWN)
    truth = torch.tensor([target.truth for _, _, target, _ in rows])
    if (truth >= 0).any():
        losses["truth"] = 0.5 * fn.cross_entropy(encoder.truth(masks), truth, ignore_index=UNKNOWN)
    chosen = [
        (row, number, target.choice, markers)
        for row, (number, _, target, markers) in enumerate(rows)
        if markers and target.choice >= 0
    ]
    if chosen:
        most = max(len(markers) for *_, markers in chosen)
        picked = torch.tensor([row for row, *_ in chosen])
        pages_at = torch.tensor([number for _, number, *_ in chosen])
        places = torch.tensor([[*markers, *([0] * (most - len(markers)))] for *_, markers in chosen])
        keys = found[pages_at[:, None], places, 2 * HEAD :]
        scores = torch.einsum("sh,sch->sc", asked[picked][:, 2 * HEAD :], keys) / HEAD**0.5
        scores = scores.masked_fill(places == 0, -1e4)
        scores = torch.cat([encoder.unchosen(masks[picked]), scores], dim=1)
        losses["choice"] = fn.cross_entropy(scores, torch.tensor([choice for _, _, choice, _ in chosen]))
    return losses


def pair_loss(encoder: Encoder, pieces: WordPiece, pairs: Sequence[Pair]) -> Tensor:
    """How far intents lie from their tools, beside all the other tools of the batch."""
    texts = list(dict.fromkeys(text for pair in pairs for text in (pair.tool, *pair.others[:1])))
    intents = encoder.sentences(*padded([sentence(pieces, pair.intent) for pair in pairs]))
    tools = encoder.sentences(*padded([sentence(pieces, text) for text in texts]))
    goal = torch.tensor([texts.index(pair.tool) for pair in pairs])
    return fn.cross_entropy(_SHARPNESS * intents @ tools.T, goal)
