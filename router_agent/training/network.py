"""The encoder in torch: a small BERT with heads that read masks. Needed for training only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as fn

from router_agent.models.heads import Heads

HEAD = 128
"""Width of what the heads compare."""
FROZEN = 2
"""The lowest layers stay as they were trained on far more text, and so do the pieces."""
HEADS = tuple(head.name for head in fields(Heads))


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a BERT."""

    vocabulary: int
    width: int = 384
    layers: int = 6
    heads: int = 12
    inner: int = 1536
    positions: int = 512
    epsilon: float = 1e-12


class Layer(nn.Module):
    """Attention and feed-forward, normalised after each."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.up = nn.Linear(shape.width, shape.inner)
        self.down = nn.Linear(shape.inner, shape.width)
        self.last_norm = nn.LayerNorm(shape.width, eps=shape.epsilon)

    def forward(self, hidden: Tensor, allowed: Tensor) -> Tensor:
        batch, length, width = hidden.shape
        query, key, value = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.qkv(hidden).chunk(3, -1)
        )
        seen = fn.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        hidden = self.norm(hidden + self.out(seen.transpose(1, 2).reshape(batch, length, width)))
        return self.last_norm(hidden + self.down(fn.gelu(self.up(hidden), approximate="tanh")))


class Encoder(nn.Module):
    """Token vectors, and the heads on them: what `router_agent.models.heads` does in numpy."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.places = nn.Embedding(shape.positions, shape.width)
        self.kinds = nn.Embedding(2, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.asked = nn.Linear(shape.width, 3 * HEAD)
        """From a parameter: what it looks for as start, as end, and at a glance."""
        self.found = nn.Linear(shape.width, 3 * HEAD)
        """From a place in the intent: what it is as start, as end, and for a glance."""
        self.truth = nn.Linear(3 * shape.width, 3)
        self.chooser = nn.Linear(2 * shape.width, HEAD)
        self.choice = nn.Linear(shape.width, HEAD)
        self.unchosen = nn.Linear(2 * shape.width, 1)
        self.match = nn.Linear(2 * shape.width, HEAD)
        self.relevance = nn.Linear(HEAD, 1)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Token vectors (batch, length, width) of padded numbers."""
        places = torch.arange(ids.shape[1])
        inside = places[None, :] < lengths[:, None]
        # Half precision doubles the speed of a core that multiplies bfloat16; the weights stay whole.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            # What lies below keeps what it knows of words, and costs no way back.
            with torch.no_grad():
                hidden = self.norm(self.words(ids) + self.places(places)[None] + self.kinds.weight[0])
                for layer in self.layers[:FROZEN]:
                    hidden = layer(hidden, inside[:, None, None, :])
            for layer in self.layers[FROZEN:]:
                hidden = layer(hidden, inside[:, None, None, :])
        return hidden.float()

    def trained(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that training changes, by name."""
        kept = ("words.", "places.", "kinds.", "norm.", *(f"layers.{number}." for number in range(FROZEN)))
        return [(name, value) for name, value in self.named_parameters() if not name.startswith(kept)]

    def fits(self, intents: Tensor, tools: Tensor) -> Tensor:
        """How well tools fit intents, as logits, from the mean vectors of both."""
        one, other = fn.normalize(intents, dim=-1), fn.normalize(tools, dim=-1)
        both = torch.cat([one * other, (one - other).abs()], dim=-1) * self.shape.width**0.5
        out: Tensor = self.relevance(torch.tanh(self.match(both))).squeeze(-1)
        return out

    def point(self, slots: Tensor, hidden: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of starts and ends for parameters over their intents' places, and what each glances at."""
        asked = self.asked(slots).view(len(slots), 3, HEAD)
        found = self.found(hidden).view(*hidden.shape[:2], 3, HEAD)
        scores = torch.einsum("sph,slph->psl", asked, found) / HEAD**0.5
        scores = scores.masked_fill(~places, -1e4)
        return scores[0], scores[1], torch.einsum("sl,slw->sw", scores[2].softmax(-1), hidden)

    def says(self, seen: Tensor, slots: Tensor) -> Tensor:
        """Logits of not said, true, false."""
        out: Tensor = self.truth(torch.cat([seen, slots, seen * slots], dim=-1))
        return out

    def choose(self, seen: Tensor, slots: Tensor, choices: Tensor) -> Tensor:
        """Logits of no choice and of each choice, from (parameters, choices, width)."""
        both = torch.cat([seen, slots], dim=-1)
        scores = torch.einsum("sh,sch->sc", self.chooser(both), self.choice(choices)) / HEAD**0.5
        return torch.cat([self.unchosen(both), scores], dim=1)


def pretrained(folder: Path, kept: Sequence[int], layers: int) -> Encoder:
    """all-MiniLM-L6-v2 with the rows of `kept` pieces and its first, last and evenly chosen layers."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = load_file(str(folder / "model.safetensors"))
    shape = Shape(
        len(kept),
        config["hidden_size"],
        layers,
        config["num_attention_heads"],
        config["intermediate_size"],
        config["max_position_embeddings"],
        config["layer_norm_eps"],
    )
    encoder = Encoder(shape)
    with torch.no_grad():
        encoder.words.weight.copy_(weights["embeddings.word_embeddings.weight"][list(kept)])
        encoder.places.weight.copy_(weights["embeddings.position_embeddings.weight"])
        encoder.kinds.weight.copy_(weights["embeddings.token_type_embeddings.weight"])
        _copy(encoder.norm, weights, "embeddings.LayerNorm")
        total = config["num_hidden_layers"]
        chosen = [round(at * (total - 1) / max(1, layers - 1)) for at in range(layers)]
        for number, layer in zip(chosen, encoder.layers, strict=True):
            assert isinstance(layer, Layer)
            base = f"encoder.layer.{number}."
            names = [f"{base}attention.self.{part}" for part in ("query", "key", "value")]
            layer.qkv.weight.copy_(torch.cat([weights[f"{name}.weight"] for name in names]))
            layer.qkv.bias.copy_(torch.cat([weights[f"{name}.bias"] for name in names]))
            _copy(layer.out, weights, base + "attention.output.dense")
            _copy(layer.norm, weights, base + "attention.output.LayerNorm")
            _copy(layer.up, weights, base + "intermediate.dense")
            _copy(layer.down, weights, base + "output.dense")
            _copy(layer.last_norm, weights, base + "output.LayerNorm")
        for name in HEADS:
            head = getattr(encoder, name)
            nn.init.normal_(head.weight, std=head.in_features**-0.5)
            nn.init.zeros_(head.bias)
        # To begin with, a parameter looks for places that mean something like it.
        encoder.found.weight.copy_(encoder.asked.weight)
    return encoder


def _copy(part: nn.Linear | nn.LayerNorm, weights: dict[str, Tensor], name: str) -> None:
    part.weight.copy_(weights[f"{name}.weight"])
    part.bias.copy_(weights[f"{name}.bias"])
