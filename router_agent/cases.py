"""Routing cases and predictions: JSON lines, one case or prediction each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from router_agent.core import Catalogue, Route, Tool
from router_agent.errors import CasesRefused


@dataclass(frozen=True)
class Expected:
    """A call that is right: for each argument the values that are accepted."""

    name: str
    arguments: Mapping[str, list[Any]] = field(hash=False)
    optional: frozenset[str] = frozenset()
    """Arguments that may be left out."""


@dataclass(frozen=True)
class Case:
    """One intent, the tools in view, and what is right: an empty list means that no tool fits."""

    id: str
    intent: str
    catalogue: Catalogue
    expected: tuple[Expected, ...] | None
    """In the order in which they are to be made; `None`: the case does not say."""
    today: date | None = None
    group: str = ""
    """The file that it came from."""
    asks: bool = False
    """Whether it is right to ask back first: the case has `"decision": "ask"`."""


def read_cases(path: Path) -> Iterator[Case]:
    """
    Yield the cases of a file; `tools_file` is read beside it, once.

    Raises:
        CasesRefused: the file cannot be read, or a line is no case.
    """
    shared: dict[str, Catalogue] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            yield Case(
                str(said["id"]),
                str(said["intent"]),
                _catalogue(said, path, shared),
                _expected(said.get("expected")),
                date.fromisoformat(said["today"]) if said.get("today") else None,
                path.stem,
                asks=said.get("decision") == "ask",
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CasesRefused(path, number, f"{type(error).__name__}: {error}") from error


def prediction_of(case_id: str, route: Route) -> dict[str, Any]:
    """Return what is written for one case."""
    return {
        "id": case_id,
        "calls": [{"name": call.tool.name, "arguments": call.arguments} for call in route.calls],
        "decision": str(route.decision),
        "confidence": round(route.confidence, 4),
        "ms": round(route.timings.get("total", 0.0), 3),
    }


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write one JSON object a line, and return how many."""
    count = 0
    with path.open("w", encoding="utf-8") as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as handle:
            yield from handle
    except OSError as error:
        raise CasesRefused(path, 0, str(error)) from error


def _catalogue(said: Mapping[str, Any], path: Path, shared: dict[str, Catalogue]) -> Catalogue:
    if "tools" in said:
        return _tools(said["tools"])
    name = said["tools_file"]
    if name not in shared:
        shared[name] = _tools(json.loads((path.parent / name).read_text("utf-8")))
    return shared[name]


def _tools(listed: Iterable[Mapping[str, Any]]) -> Catalogue:
    return Catalogue.of(tool for one in listed if (tool := Tool.read(str(one.get("participant", "")), one)))


def _expected(said: Any) -> tuple[Expected, ...] | None:
    if said is None:
        return None
    return tuple(
        Expected(
            str(call["name"]),
            {
                str(name): values if isinstance(values, list) else [values]
                for name, values in (call.get("arguments") or {}).items()
            },
            frozenset(call.get("optional") or ()),
        )
        for call in said
    )
