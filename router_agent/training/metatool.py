"""
Cases from MetaTool (HowieHwong/MetaTool at 35e81bb7, MIT; Yue Huang, 2023).

It has requests and the one tool for each. Its tools have no parameters: they teach which
tool is meant, and when none is.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from router_agent.training.cases import Case, call

SOURCE = "MetaTool@35e81bb7 (MIT)"
HELD_BACK = 10
"""Every tenth request is kept for measuring."""
STRANGE = 8
"""Every eighth tool is kept for measuring, with all its requests: it is never shown in training."""
_NO_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}, "required": []}


def metatool_tools(folder: Path) -> dict[str, dict[str, Any]]:
    """Its tools that have a description, by name."""
    plugins = json.loads((folder / "metatool_plugins.json").read_text(encoding="utf-8"))
    out: dict[str, dict[str, Any]] = {}
    for plugin in plugins:
        described = str(plugin.get("description_for_human") or plugin["description_for_model"])
        name = str(plugin["name_for_model"])
        out[name] = {"name": name, "description": described[:300], "parameters": _NO_SCHEMA}
    return out


def metatool_cases(
    folder: Path, seed: int, *, held_back: bool = False, strange: bool = False, tools_shown: int = 4
) -> Iterator[Case]:
    """
    Cases from its requests: to train on, or held back for measuring.

    Those held back want tools that training has seen with other requests; with `strange`, tools
    that it has not seen at all.
    """
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    tools = metatool_tools(folder)
    with (folder / "metatool_queries.csv").open(encoding="utf-8", newline="") as handle:
        pairs = [(row["Query"], row["Tool"]) for row in csv.DictReader(handle) if row["Tool"] in tools]
    known = sorted({tool for _, tool in pairs})
    unseen = set(known[STRANGE - 1 :: STRANGE])
    shown_of = known if held_back or strange else [one for one in known if one not in unseen]
    for number, (query, name) in enumerate(pairs):
        kept = not strange and number % HELD_BACK == 0
        if (name in unseen) is not strange or (not strange and kept is not held_back):
            continue
        others = [other for other in draw.sample(shown_of, min(len(shown_of), tools_shown)) if other != name]
        shown = [tools[other] for other in others[: tools_shown - 1]]
        expected: list[dict[str, Any]] = []
        if held_back or strange or draw.random() > 0.25:
            shown.append(tools[name])
            draw.shuffle(shown)
            expected = [call(name, {})]
        yield Case(query, shown, expected, SOURCE, id=f"metatool_{number}")
