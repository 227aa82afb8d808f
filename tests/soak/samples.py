"""What a node keeps, as it says itself, and whether that grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.faults.stage import Stage

_NAMES: Final = {
    "process_resident_memory_bytes": "memory",
    "process_open_fds": "descriptors",
    "mcpx_tasks": "tasks",
    "mcpx_connections": "connections",
}

MORE_MEMORY: Final = 16 << 20
"""Bytes that may have been added: each round brings new tokens, and a node remembers 4,096 of them."""
MORE_DESCRIPTORS: Final = 3
MORE_TASKS: Final = 3
"""A request that is being answered, a link that is being renewed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one node."""

    at: float
    """Seconds since the run began."""
    node: int
    memory: float
    """Resident bytes."""
    descriptors: int
    tasks: int
    connections: int
    is_at_rest: bool = False
    """Whether everybody had left."""

    def is_as_empty_as(self, first: Sample | None) -> bool:
        """Whether nothing is left that an earlier look did not show."""
        return self.connections == 0 and (
            first is None or (self.descriptors <= first.descriptors and self.tasks <= first.tasks)
        )


async def look(stage: Stage, node: int, at: float, *, is_at_rest: bool = False) -> Sample:
    """
    Ask a node.

    Raises:
        httpx.HTTPError: it does not answer.
    """
    text = (await stage.http.get(f"{stage.nodes[node].http_url}/metrics", timeout=20.0)).text
    found = {
        _NAMES[name]: float(value)
        for name, _, value in (line.partition(" ") for line in text.splitlines())
        if name in _NAMES
    }
    return Sample(
        at,
        node,
        found["memory"],
        int(found["descriptors"]),
        int(found["tasks"]),
        int(found["connections"]),
        is_at_rest,
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the looks at one node at rest come to: the first ones beside the last ones."""

    node: int
    looks: int
    memory: tuple[float, float]
    slope: float
    """Bytes an hour: the median of all slopes between two looks."""
    descriptors: tuple[float, float]
    tasks: tuple[float, float]

    @classmethod
    def of(cls, node: int, samples: Sequence[Sample]) -> Verdict:
        """Judge the looks at rest of one life of a process; the first is warming up, if there are enough."""
        rests = [sample for sample in samples if sample.node == node and sample.is_at_rest]
        assert len(rests) >= 2, "a beginning and an end are needed"
        rests = rests[1:] if len(rests) > 3 else rests
        third = max(1, len(rests) // 3)
        first, last = rests[:third], rests[-third:]
        slopes = [
            (later.memory - earlier.memory) / (later.at - earlier.at) * 3600
            for n, earlier in enumerate(rests)
            for later in rests[n + 1 :]
            if later.at > earlier.at
        ]

        def both(name: str) -> tuple[float, float]:
            before, after = (median(getattr(one, name) for one in part) for part in (first, last))
            return before, after

        return cls(
            node,
            len(rests),
            both("memory"),
            median(slopes) if slopes else 0.0,
            both("descriptors"),
            both("tasks"),
        )

    @property
    def complaints(self) -> list[str]:
        """What grew and should not have."""
        grown = (
            ("memory", self.memory, MORE_MEMORY),
            ("descriptors", self.descriptors, MORE_DESCRIPTORS),
            ("tasks", self.tasks, MORE_TASKS),
        )
        return [
            f"node {self.node}: {name} grew from {before:,.0f} to {after:,.0f}"
            for name, (before, after), allowed in grown
            if after - before > allowed
        ]

    def __str__(self) -> str:
        memory = f"memory {_mib(self.memory[0])} -> {_mib(self.memory[1])} MiB, {_mib(self.slope):+} an hour"
        descriptors = f"descriptors {self.descriptors[0]:g} -> {self.descriptors[1]:g}"
        tasks = f"tasks {self.tasks[0]:g} -> {self.tasks[1]:g}"
        return f"node {self.node} at rest, {self.looks} looks: {memory}; {descriptors}; {tasks}"


def _mib(count: float) -> float:
    return round(count / (1 << 20), 1)
