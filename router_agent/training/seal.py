"""
Cases from Seal-Tools (fairyshine/Seal-Tools at ce753ecd, Apache-2.0).

Its requests ask for several calls in turn. Each sentence that holds one call's values
becomes a case; the whole request is kept for some, so that a long text is met too. Its
schemas give further cases: what a tool is for, said with made-up values.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from router_agent.models import words_of
from router_agent.training.align import span_of
from router_agent.training.cases import Case, call
from router_agent.training.schemas import Bank
from router_agent.training.values import Values

SOURCE = "Seal-Tools@ce753ecd (Apache-2.0)"
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_SENTENCE = re.compile(r"(?<=[a-z0-9\"')]{2}[.?!])\s+|(?<=\w),? (?:and then|then|and finally|and also)\s+")
_LEADS = re.compile(
    r"^(?:first(?:ly)?|second(?:ly)?|third(?:ly)?|next|then|after that|afterwards|finally|lastly|"
    r"additionally|also|furthermore|moreover|in addition|once (?:that's|that is) done|subsequently)\b,?\s*",
    re.IGNORECASE,
)
_EXAMPLES = re.compile(r"\((?:e\.g\.|for example|such as|i\.e\.)[,:]?\s*([^)]+)\)")


def seal_tools(folder: Path) -> dict[str, dict[str, Any]]:
    """Its tools by name, with their field of use as `field`."""
    out: dict[str, dict[str, Any]] = {}
    with (folder / "seal_tools_tools.jsonl").open(encoding="utf-8") as handle:
        for line in handle:
            tool = json.loads(line)
            properties = {
                name: {
                    "type": _TYPES.get(entry.get("type"), "string"),
                    "description": entry.get("description", ""),
                }
                for name, entry in tool["parameters"].items()
            }
            schema = {
                "type": "object",
                "properties": properties,
                "required": list(tool.get("required") or ()),
            }
            out[tool["api_name"]] = {
                "name": tool["api_name"],
                "description": tool["api_description"],
                "parameters": schema,
                "field": tool["field"],
            }
    return out


def seal_cases(folder: Path, seed: int) -> Iterator[Case]:
    """Cases from its requests, in the order of its files."""
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    tools = seal_tools(folder)
    fields: dict[str, list[str]] = {}
    for name, tool in tools.items():
        fields.setdefault(tool["field"].split("/")[0], []).append(name)
    names = sorted(tools)
    for part in ("dev", "in_domain", "out_domain"):
        with (folder / f"seal_tools_{part}.jsonl").open(encoding="utf-8") as handle:
            for line in handle:
                request = json.loads(line)
                for number, (text, chosen) in enumerate(_split(request["query"], request["calling"], draw)):
                    if chosen["api"] in tools:
                        meant = tools[chosen["api"]]
                        beside = _beside(meant, request["calling"], tools, fields, names, draw)
                        id_ = f"{request['id']}_{number}"
                        yield _case(text, meant, chosen["parameters"], beside, id_, draw)


def seal_spoken(folder: Path, seed: int, bank: Bank) -> Iterator[Case]:
    """One made-up request for each tool that it describes."""
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    values = Values(bank.values, draw)
    tools = seal_tools(folder)
    names = sorted(tools)
    for name in names:
        tool = tools[name]
        intent, spans, arguments = _speak(tool, values, bank, draw)
        others = [_plain(tools[other]) for other in draw.sample(names, 2) if other != name]
        shown = [_plain(tool), *others]
        optional = set(arguments) - set(tool["parameters"]["required"])
        yield Case(intent, shown, [call(name, arguments, optional)], SOURCE, spans, f"spoken_{name}_{seed}")


def _split(
    query: str, calling: Sequence[Mapping[str, Any]], draw: random.Random
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if len(calling) == 1:
        yield query, calling[0]
        return
    sentences = [_LEADS.sub("", part).strip() for part in _SENTENCE.split(query) if part and part.strip()]
    for one in calling:
        if any(str(value).startswith("API_call") for value in one["parameters"].values()):
            continue
        wanted = set(words_of(one["api"]).split()) | {
            str(value).lower() for value in one["parameters"].values()
        }
        scored = [
            (sum(word in sentence.lower() for word in wanted), -len(sentence), sentence)
            for sentence in sentences
        ]
        score, _, best = max(scored, default=(0, 0, ""))
        said = all(
            span_of(value, best) for value in one["parameters"].values() if not isinstance(value, bool)
        )
        if score and said and len(best) < 300:
            yield best[0].upper() + best[1:] if draw.random() < 0.6 else best.lower(), one
        elif draw.random() < 0.3 and len(query) < 500:
            yield query, one


def _beside(
    tool: Mapping[str, Any],
    calling: Sequence[Mapping[str, Any]],
    tools: Mapping[str, Mapping[str, Any]],
    fields: Mapping[str, Sequence[str]],
    names: Sequence[str],
    draw: random.Random,
) -> list[dict[str, Any]]:
    """Tools that were not asked for: of the same field, or of any."""
    asked = {one["api"] for one in calling}
    near = fields[tool["field"].split("/")[0]]
    chosen = {draw.choice(near) for _ in range(draw.choice((1, 2, 2, 3)))} | {draw.choice(names)}
    return [_plain(tools[name]) for name in sorted(chosen) if not any(_alike(name, one) for one in asked)]


def _alike(one: str, other: str) -> bool:
    """Whether two tools share most words of their names: twins, neither wrong for the other."""
    left, right = set(words_of(one).split()[1:]), set(words_of(other).split()[1:])
    return len(left & right) * 2 >= max(1, min(len(left), len(right))) or one == other


def _case(
    intent: str,
    tool: Mapping[str, Any],
    given: Mapping[str, Any],
    others: list[dict[str, Any]],
    id_: str,
    draw: random.Random,
) -> Case:
    if draw.random() < 0.25:
        return Case(intent, others, [], SOURCE, id=id_)
    properties = tool["parameters"]["properties"]
    arguments = {key: value for key, value in given.items() if key in properties}
    spans = {key: span for key, value in arguments.items() if (span := span_of(value, intent)) is not None}
    optional = set(arguments) - set(tool["parameters"]["required"])
    shown = [_plain(tool), *others]
    draw.shuffle(shown)
    return Case(intent, shown, [call(str(tool["name"]), arguments, optional)], SOURCE, spans, id_)


def _plain(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tool[key] for key in ("name", "description", "parameters")}


def _speak(
    tool: Mapping[str, Any], values: Values, bank: Bank, draw: random.Random
) -> tuple[str, dict[str, tuple[int, int]], dict[str, Any]]:
    purpose = str(tool["description"]).rstrip(".")
    text = draw.choice(("", "", "I want to ", "can you ", "please ", "help me to ", "I need to "))
    text += purpose[0].lower() + purpose[1:] if text or draw.random() < 0.5 else purpose
    spans, arguments = dict[str, tuple[int, int]](), dict[str, Any]()
    for key, schema in tool["parameters"]["properties"].items():
        if schema["type"] == "boolean" or draw.random() > (
            0.9 if key in tool["parameters"]["required"] else 0.5
        ):
            continue
        words, value, after = _value(key, schema, values, bank, draw)
        named = words_of(key)
        before = draw.choice(
            (
                f" with {named} ",
                f" with the {named} ",
                f" and {named} ",
                f", {named} ",
                " for ",
                " of ",
                f" where the {named} is ",
                f", the {named} is ",
                f" using {named} '",
                " in ",
                f"; {named}: ",
            )
        )
        text += before
        spans[key] = (len(text), len(text) + len(words))
        text += words + after + ("'" if before.endswith("'") else "")
        arguments[key] = value
    text += draw.choice((".", "", "?", " please"))
    return (text.lower() if draw.random() < 0.35 else text), spans, arguments


def _value(
    key: str, schema: Mapping[str, Any], values: Values, bank: Bank, draw: random.Random
) -> tuple[str, Any, str]:
    if schema["type"] in {"integer", "number"}:
        said = values.number("")
        kept = said.value if schema["type"] == "number" else max(1, int(said.value))
        return (said.words if kept == said.value else str(kept)), kept, ""
    if (examples := _EXAMPLES.search(schema["description"])) and draw.random() < 0.8:
        shown = [text.strip(" '\"") for text in re.split(r", | or | and ", examples[1]) if text.strip(" '\"")]
        shown = [text for text in shown if text.lower() not in {"etc", "etc."} and len(text) < 60]
        if shown:
            picked = draw.choice(shown)
            return picked, picked, ""
    named = words_of(key)
    for role in bank.roles.values():
        if str(role["from"])[0] != "@" and named in {words_of(name) for name in role["names"]}:
            said = values.say(role["from"])
            return said.words, said.value, ""
    said = values.say(
        "id"
        if named.endswith(" id") or named == "id"
        else "@date"
        if "date" in named
        else draw.choice(sorted(bank.values))
    )
    return said.words, said.value, ""
