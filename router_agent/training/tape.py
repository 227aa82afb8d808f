"""
Gradients in numpy: just the operations that a small Gemma needs, each with its derivative.

It is slow beside torch and needs nothing beside numpy, so that the way from data to a
merged file can be walked wherever the tests run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Node:
    """A value, what it was made from, and how its gradient flows back."""

    __slots__ = ("back", "gradient", "parents", "value")

    def __init__(
        self,
        value: Array,
        parents: Sequence[Node] = (),
        back: Callable[[Array], Sequence[Array | None]] = lambda gradient: (),  # noqa: ARG005 - a leaf passes nothing on
    ) -> None:
        self.value, self.parents, self.back = value, parents, back
        self.gradient: Array | None = None

    def backward(self) -> None:
        """Fill the gradients of all that this, a single number, was made from."""
        order: list[Node] = []
        seen: set[int] = set()
        waiting: list[tuple[Node, bool]] = [(self, False)]
        while waiting:
            node, done = waiting.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                waiting.append((node, True))
                waiting += [(parent, False) for parent in node.parents]
        self.gradient = np.ones_like(self.value)
        for node in reversed(order):
            if node.gradient is None or not node.parents:
                continue
            for parent, part in zip(node.parents, node.back(node.gradient), strict=True):
                if part is not None:
                    parent.gradient = part if parent.gradient is None else parent.gradient + part


def linear(rows: Node, matrix: Node) -> Node:
    """Rows (…, in) through a matrix (out, in)."""
    flat = rows.value.reshape(-1, rows.value.shape[-1])

    def back(gradient: Array) -> tuple[Array, Array]:
        return gradient @ matrix.value, gradient.reshape(-1, gradient.shape[-1]).T @ flat

    return Node(rows.value @ matrix.value.T, (rows, matrix), back)


def product(left: Node, right: Node, share: float) -> Node:
    """Two matrices multiplied, times a number."""
    return Node(
        np.float32(share) * (left.value @ right.value),
        (left, right),
        lambda gradient: (
            np.float32(share) * (gradient @ right.value.T),
            np.float32(share) * (left.value.T @ gradient),
        ),
    )


def added(left: Node, right: Node) -> Node:
    """Two of one shape, added."""
    return Node(left.value + right.value, (left, right), lambda gradient: (gradient, gradient))


def looked_up(table: Node, ids: NDArray[np.int64], share: float) -> Node:
    """Rows of a table by number, times a number."""

    def back(gradient: Array) -> tuple[Array]:
        out = np.zeros_like(table.value)
        np.add.at(out, ids, np.float32(share) * gradient)
        return (out,)

    return Node(np.float32(share) * table.value[ids], (table,), back)


def normed(rows: Node, gain: Node) -> Node:
    """Rows divided by their root mean square, times a gain for each column."""
    root = np.sqrt((rows.value**2).mean(-1, keepdims=True) + np.float32(1e-6))
    unit = rows.value / root

    def back(gradient: Array) -> tuple[Array, Array]:
        inner = gradient * gain.value
        to_rows = (inner - unit * (inner * unit).mean(-1, keepdims=True)) / root
        return to_rows, (gradient * unit).reshape(-1, unit.shape[-1]).sum(0)

    return Node(unit * gain.value, (rows, gain), back)


def gated(gate: Node, up: Node) -> Node:
    """GELU of one, times the other."""
    inner = np.float32(0.7978845608) * (gate.value + np.float32(0.044715) * gate.value**3)
    bent = np.tanh(inner)
    half = np.float32(0.5) * (1 + bent)

    def back(gradient: Array) -> tuple[Array, Array]:
        slope = np.float32(0.7978845608) * (1 + np.float32(3 * 0.044715) * gate.value**2)
        steep = half + np.float32(0.5) * gate.value * (1 - bent**2) * slope
        return gradient * up.value * steep, gradient * gate.value * half

    return Node(gate.value * half * up.value, (gate, up), back)


def turned(heads: Node, base: float = 10_000.0) -> Node:
    """Rotary places: heads (batch, place, head, width), halves turned against each other."""
    half = heads.value.shape[-1] // 2
    speeds = base ** (-np.arange(half) / half)
    angles = (np.arange(heads.value.shape[1])[:, None] * speeds)[None, :, None, :]
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def turn(value: Array, way: float) -> Array:
        one, other = value[..., :half], value[..., half:]
        shift = np.float32(way) * sin
        return np.concatenate([one * cos - other * shift, other * cos + one * shift], axis=-1)

    return Node(turn(heads.value, 1), (heads,), lambda gradient: (turn(gradient, -1),))


def split(rows: Node, heads: int) -> Node:
    """Rows (batch, place, heads * width) as (batch, place, heads, width)."""
    shape = rows.value.shape
    return Node(
        rows.value.reshape(*shape[:2], heads, -1), (rows,), lambda gradient: (gradient.reshape(shape),)
    )


def attended(query: Node, key: Node, value: Node) -> Node:
    """Causal attention; several query heads share a key head. The heads come back side by side."""
    batch, length, heads, width = query.value.shape
    shared = key.value.shape[2]
    share = np.float32(width**-0.5)
    asked = query.value.reshape(batch, length, shared, heads // shared, width)
    hidden = np.triu(np.full((length, length), np.float32(-1e9)), 1)
    scores = np.einsum("bqsgw,bksw->bsgqk", asked, key.value) * share + hidden
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    seen = np.einsum("bsgqk,bksw->bqsgw", shares, value.value).reshape(batch, length, heads * width)

    def back(gradient: Array) -> tuple[Array, Array, Array]:
        inner = gradient.reshape(batch, length, shared, heads // shared, width)
        to_value = np.einsum("bsgqk,bqsgw->bksw", shares, inner)
        to_shares = np.einsum("bqsgw,bksw->bsgqk", inner, value.value)
        to_scores = shares * (to_shares - (to_shares * shares).sum(-1, keepdims=True)) * share
        to_query = np.einsum("bsgqk,bksw->bqsgw", to_scores, key.value).reshape(query.value.shape)
        return to_query, np.einsum("bsgqk,bqsgw->bksw", to_scores, asked), to_value

    return Node(seen, (query, key, value), back)


def surprise(logits: Node, goals: NDArray[np.int64]) -> Node:
    """The mean cross-entropy of the goals that are not negative."""
    known = goals >= 0
    raised = np.exp(logits.value - logits.value.max(-1, keepdims=True))
    shares = raised / raised.sum(-1, keepdims=True)
    picked = np.take_along_axis(shares, np.maximum(goals, 0)[..., None], -1)[..., 0]
    count = max(1, int(known.sum()))

    def back(gradient: Array) -> tuple[Array]:
        out = shares.copy()
        np.put_along_axis(out, np.maximum(goals, 0)[..., None], picked[..., None] - 1, -1)
        return (gradient * out * known[..., None] / np.float32(count),)

    loss = -(np.log(np.maximum(picked, 1e-12)) * known).sum() / count
    return Node(np.asarray(loss, np.float32), (logits,), back)


class Adam:
    """Steps against the gradient, each number at its own pace."""

    def __init__(self, nodes: Iterable[Node], rate: float) -> None:
        self._nodes = list(nodes)
        self._rate, self._count = rate, 0
        self._mean = [np.zeros_like(node.value) for node in self._nodes]
        self._spread = [np.zeros_like(node.value) for node in self._nodes]

    def step(self, share: float = 1.0) -> None:
        """Move the nodes by their gradients, which are forgotten then."""
        self._count += 1
        for node, mean, spread in zip(self._nodes, self._mean, self._spread, strict=True):
            if node.gradient is None:
                continue
            mean[...] += np.float32(0.1) * (node.gradient - mean)
            spread[...] += np.float32(0.01) * (node.gradient**2 - spread)
            unbiased = mean / np.float32(1 - 0.9**self._count)
            root = np.sqrt(spread / np.float32(1 - 0.99**self._count)) + np.float32(1e-8)
            node.value = (node.value - np.float32(self._rate * share) * unbiased / root).astype(np.float32)
            node.gradient = None
