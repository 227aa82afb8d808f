"""The encoder in torch: a small BERT with heads that read masks. Needed for training only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as fn

HEAD = 128
"""Width of what the heads compare."""


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
        return self.last_norm(hidden + self.down(fn.gelu(self.up(hidden))))


class Encoder(nn.Module):
    """Token vectors, and the heads on them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.places = nn.Embedding(shape.positions, shape.width)
        self.kinds = nn.Embedding(2, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.asked = nn.Linear(shape.width, 3 * HEAD)
        """From a mask: what it looks for as start, as end, and among choices."""
        self.found = nn.Linear(shape.width, 3 * HEAD)
        """From any place: what it is as start, as end, and as a choice's marker."""
        self.truth = nn.Linear(shape.width, 3)
        self.unchosen = nn.Linear(shape.width, 1)
        self.match = nn.Linear(shape.width, HEAD)
        self.relevance = nn.Linear(HEAD, 1)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Token vectors (batch, length, width) of padded numbers."""
        places = torch.arange(ids.shape[1])
        inside = places[None, :] < lengths[:, None]
        # Half precision doubles the speed of a core that multiplies bfloat16; the weights stay whole.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            hidden = self.norm(self.words(ids) + self.places(places)[None] + self.kinds.weight[0])
            for layer in self.layers:
                hidden = layer(hidden, inside[:, None, None, :])
        return hidden.float()

    def sentences(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Unit vectors (batch, width): the mean of each sentence's tokens."""
        hidden = self(ids, lengths)
        inside = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).unsqueeze(-1)
        return fn.normalize((hidden * inside).sum(1) / lengths[:, None], dim=-1)


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
        for head in (
            encoder.asked,
            encoder.found,
            encoder.truth,
            encoder.unchosen,
            encoder.match,
            encoder.relevance,
        ):
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
    return encoder


def _copy(part: nn.Linear | nn.LayerNorm, weights: dict[str, Tensor], name: str) -> None:
    part.weight.copy_(weights[f"{name}.weight"])
    part.bias.copy_(weights[f"{name}.bias"])
