"""
Cases of tools that take whatever they are given: a command, code, a question, a text.

Requests for them were written by hand; what they do not want is what people ask of other tools.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from router_agent.training.cases import Case, call
from router_agent.training.generator import SOURCE

_UNWANTED: Final = 6
"""Requests of others that each of these tools is shown with."""


def content_cases(seed: int, others: Sequence[Case]) -> Iterator[Case]:
    """Make cases that want such a tool, and from the requests of `others` as many that want none."""
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    written = tomllib.loads((files("router_agent.training") / "contents.toml").read_text(encoding="utf-8"))
    foreign = [case.intent for case in others]
    for entry in written["tool"]:
        tool = _tool(entry)
        for number, (intent, content, *more) in enumerate(entry["requests"]):
            at = intent.find(content)
            spans = {entry["content"]: (at, at + len(content))} if at >= 0 else {}
            right = call(tool["name"], {entry["content"]: content} | dict(one.split("=") for one in more))
            yield Case(intent, [tool], [right], SOURCE, spans, f"content_{tool['name']}_{number}")
        for number, intent in enumerate(draw.sample(foreign, min(_UNWANTED, len(foreign)))):
            yield Case(intent, [tool], [], SOURCE, id=f"content_{tool['name']}_no_{number}")


def _tool(entry: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {entry["content"]: {"type": "string", "description": entry["about"]}}
    required = [entry["content"]]
    for more in entry["more"]:
        name, kind, description, *rest = more.split(":")
        properties[name] = {"type": kind, "description": description}
        if rest and rest[0]:
            properties[name]["enum"] = rest[0].split(",")
        if "required" in rest:
            required.append(name)
    schema = {"type": "object", "properties": properties, "required": required}
    return {"name": entry["name"], "description": entry["description"], "parameters": schema}
