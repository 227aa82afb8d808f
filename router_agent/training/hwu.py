"""
Cases from HWU64 (xliuhw/NLU-Evaluation-Data at f6071b49, CC-BY-4.0; Liu, Eshghi, Swietojanski, Rieser, 2019).

Short requests in small letters to a home assistant. Each of its intents becomes a tool
whose parameters, all optional, are the entities that people name with it; small talk
becomes requests that no tool fits.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from router_agent.training.cases import Case, call
from router_agent.training.schemas import STYLES, spelled

SOURCE = "NLU-Evaluation-Data@f6071b49 (CC-BY-4.0)"
HELD_BACK = 5
"""Every fifth utterance of an intent is kept for measuring."""
_WORDS = tomllib.loads((files("router_agent.training") / "hwu.toml").read_text(encoding="utf-8"))
_PURPOSES: dict[str, list[str]] = _WORDS["purposes"]
_ENTITIES: dict[str, list[list[str]]] = _WORDS["entities"]


def hwu_cases(folder: Path, seed: int, *, held_back: bool = False) -> Iterator[Case]:
    """Cases from its utterances; those held back for measuring, or all the others."""
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    found: list[dict[str, Any]] = []
    with (folder / "hwu64_utterances.jsonl").open(encoding="utf-8") as handle:
        found.extend(json.loads(line) for line in handle)
    met = Counter((line["intent"], entity["entity"]) for line in found for entity in line["entities"])
    counted = Counter[str]()
    for line in found:
        counted[line["intent"]] += 1
        if (counted[line["intent"]] % HELD_BACK == 0) is held_back:
            yield _case(line, met, draw, f"hwu_{line['intent']}_{counted[line['intent']]}")


def _case(line: Mapping[str, Any], met: Mapping[tuple[str, str], int], draw: random.Random, id_: str) -> Case:
    intent = str(line["intent"])
    others = [_tool(other, met, draw)[0] for other in _others(intent, draw)]
    if intent not in _PURPOSES or draw.random() < 0.3:
        return Case(line["text"], others, [], SOURCE, id=id_)
    tool, keys = _tool(intent, met, draw)
    arguments, spans = dict[str, Any](), dict[str, tuple[int, int]]()
    for entity in line["entities"]:
        key = keys.get(entity["entity"])
        if key is not None and key not in arguments:
            arguments[key] = entity["value"]
            spans[key] = (entity["start"], entity["end"])
    shown = [tool, *others]
    draw.shuffle(shown)
    return Case(line["text"], shown, [call(tool["name"], arguments)], SOURCE, spans, id_)


def _others(intent: str, draw: random.Random) -> list[str]:
    """Other intents, some of the same scenario: setting an alarm beside removing one."""
    near = [
        other
        for other in sorted(_PURPOSES)
        if other != intent and other.split("_")[0] == intent.split("_", maxsplit=1)[0]
    ]
    far = [other for other in sorted(_PURPOSES) if other.split("_")[0] != intent.split("_", maxsplit=1)[0]]
    chosen = draw.sample(near, min(len(near), draw.choice((0, 1, 1, 2)))) + draw.sample(
        far, draw.choice((1, 1, 2, 3))
    )
    return chosen if intent in _PURPOSES else [other for other in chosen if not other.startswith("general")]


def _tool(
    intent: str, met: Mapping[tuple[str, str], int], draw: random.Random
) -> tuple[dict[str, Any], dict[str, str]]:
    style = draw.choice(STYLES)
    name, purpose = _PURPOSES[intent]
    keys, properties = dict[str, str](), dict[str, Any]()
    known = [entity for entity in _ENTITIES if met.get((intent, entity), 0) >= 4]
    draw.shuffle(known)
    for entity in known:
        names, described = _ENTITIES[entity]
        key = spelled(draw.choice(names), "snake" if style in {"dotted", "numbered"} else style)
        if key in properties:
            continue
        keys[entity] = key
        properties[key] = {"type": "string", "description": draw.choice(described)}
    shown = (
        f"{intent.split('_', maxsplit=1)[0]}.{spelled(name, 'snake')}"
        if style == "dotted"
        else spelled(name, style)
    )
    schema = {"type": "object", "properties": properties, "required": []}
    return {"name": shown, "description": purpose, "parameters": schema}, keys
