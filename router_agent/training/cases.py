"""A routing case: an intent, the tools in view, and the call that is right; as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """
    One line of training data, of the same form as the cases that measure a router.

    `expected` is empty where no tool fits. `spans` says where in the intent the words of an
    argument stand, by dotted slot name; an argument without words (an implied choice, a
    boolean) has none.
    """

    intent: str
    tools: Sequence[Mapping[str, Any]]
    """Each with `name`, `description` and `parameters`, a JSON Schema."""
    expected: Sequence[Mapping[str, Any]]
    """Each with `name`, `arguments` (for each the accepted values) and `optional`."""
    source: str
    """Where it comes from, and its licence."""
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    id: str = ""


def write_cases(path: Path, cases: Iterable[Case]) -> int:
    """Write cases one a line, numbered where they have no id; how many there were."""
    number = 0
    with path.open("w", encoding="utf-8") as handle:
        for number, case in enumerate(cases, 1):
            line = asdict(case) | {"id": case.id or f"{path.stem}_{number}"}
            handle.write(json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n")
    return number


def read_cases(path: Path) -> Iterator[Case]:
    """Read what `write_cases` wrote; keys that a case has not are passed over."""
    with path.open(encoding="utf-8") as handle:
        for line in handle:
            if line.strip():
                found = json.loads(line)
                spans = {name: (int(at[0]), int(at[1])) for name, at in (found.get("spans") or {}).items()}
                yield Case(
                    found["intent"],
                    found["tools"],
                    found["expected"],
                    found.get("source", ""),
                    spans,
                    str(found.get("id", "")),
                )


def call(name: str, arguments: Mapping[str, Any], optional: Iterable[str] = ()) -> dict[str, Any]:
    """One expected call in which each argument has one accepted value."""
    return {
        "name": name,
        "arguments": {key: [value] for key, value in arguments.items()},
        "optional": sorted(optional),
    }
