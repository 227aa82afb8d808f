"""Random tools: names in the styles that people use, and the parameters that go with them."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

STYLES = ("snake", "snake", "snake", "camel", "camel", "pascal", "kebab", "dotted", "dotted", "numbered")


_HINTS = (
    " (optional)", ". Optional.", ", if known", ". Leave out if not given", ". Default is None.",
    ". May be empty.",    ". If there is no preference, use 'dontcare'.",
    ". Defaults to the user's own.", " (case insensitive)", ", as text",
)  # fmt: skip  # a list of words, not a line for each


@dataclass(frozen=True, slots=True)
class Bank:
    """The words that tools and intents are put together from."""

    values: Mapping[str, Sequence[str]]
    roles: Mapping[str, Mapping[str, Any]]
    flags: Mapping[str, Sequence[str]]
    enums: Mapping[str, Mapping[str, Any]]
    quantities: Mapping[str, Sequence[str]]
    verbs: Mapping[str, Mapping[str, Sequence[str]]]
    domains: Sequence[Mapping[str, Any]]

    @classmethod
    def load(cls) -> Bank:
        """Read the two tables that lie beside this module."""
        here = files("router_agent.training")
        words = tomllib.loads((here / "bank.toml").read_text(encoding="utf-8"))
        subjects = tomllib.loads((here / "domains.toml").read_text(encoding="utf-8"))
        return cls(
            words["values"],
            words["roles"],
            words["flags"],
            words["enums"],
            words["quantities"],
            subjects["verbs"],
            subjects["domain"],
        )


@dataclass(slots=True)
class Part:
    """One parameter of a random tool, and what it is made from."""

    key: str
    kind: str
    """`role`, `enum`, `flag` or `quantity`; an enum without choices in its schema is told in words only."""
    entry: str
    """The bank's name for it."""
    schema: dict[str, Any]
    required: bool
    group: str = ""
    """The object it is nested in; empty at the top."""

    @property
    def slot(self) -> str:
        return f"{self.group}.{self.key}" if self.group else self.key


@dataclass(slots=True)
class RandomTool:
    """A tool with the recipe that it was made by."""

    name: str
    description: str
    parts: list[Part]
    domain: str
    verb: str
    object: str
    switch: tuple[str, Any] | None = None
    """A parameter that the verb of the request decides, and its value: on or off."""
    asked: str = ""
    """The verb that the request uses, where it is not the tool's own."""
    switch_schema: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.asked = self.asked or self.verb

    @property
    def advertised(self) -> dict[str, Any]:
        """As `tools/list` would show it."""
        top: dict[str, Any] = {"type": "object", "properties": {}}
        top |= {"required": [part.key for part in self.parts if part.required and not part.group]}
        for part in self.parts:
            home = top
            if part.group:
                home = top["properties"].setdefault(
                    part.group,
                    {"type": "object", "description": f"The {part.group} to apply", "properties": {}},
                )
            home["properties"][part.key] = part.schema
        if self.switch:
            top["properties"][self.switch[0]] = self.switch_schema
            top["required"].append(self.switch[0])
        return {"name": self.name, "description": self.description, "parameters": top}


class Toolmaker:
    """Draws tools from a bank; the same tools from the same generator."""

    def __init__(self, bank: Bank, draw: random.Random) -> None:
        self._bank, self._draw = bank, draw

    def tool(self, domain: Mapping[str, Any] | None = None) -> RandomTool:
        """A tool of one domain, with up to twelve parameters."""
        draw = self._draw
        subject = domain or draw.choice(self._bank.domains)
        verb, thing = draw.choice(subject["verbs"]), draw.choice(subject["objects"])
        style = draw.choice(STYLES)
        if verb in {"turn_on", "turn_off"} and draw.random() < 0.5:
            return self._switch(subject, style, verb, thing)
        optional = draw.random() < 0.3  # a tool that requires nothing
        parts = self._parts(subject, style, 0.0 if optional else draw.choice((0.3, 0.6, 0.9)), verb, thing)
        description = draw.choice(self._bank.verbs[verb]["describe"]).format(obj=thing)
        if draw.random() < 0.25:
            description += draw.choice(
                (
                    ".",
                    " using an external service.",
                    f" for {subject['name']} purposes.",
                    " Supports several filters.",
                    " If nothing is given, defaults are used.",
                )
            )
        name = named([draw.choice(self._bank.verbs[verb]["names"]), thing], style, subject["name"], draw)
        return RandomTool(name, description, parts, subject["name"], verb, thing)

    def part(self, kind: str, entry: str, style: str, verb: str, thing: str) -> Part:
        """One parameter from the bank."""
        key, schema = self._parameter(kind, entry, style, verb, thing)
        return Part(key, kind, entry, schema, required=False)

    def _switch(self, subject: Mapping[str, Any], style: str, verb: str, thing: str) -> RandomTool:
        """One tool for on and off: which one, the request's verb says."""
        draw, on = self._draw, verb == "turn_on"
        key = spelled(draw.choice(("state", "on", "power", "enabled", "action", "status", "is on")), style)
        described = draw.choice(
            ("Whether to turn it on or off", "The wanted state", "On or off", "True for on")
        )
        schema: dict[str, Any] = {"type": "boolean", "description": described}
        value: Any = on
        if draw.random() < 0.5:
            choices = draw.choice((["on", "off"], ["ON", "OFF"], ["turn_on", "turn_off"], ["off", "on"]))
            schema = {"type": "string", "enum": choices, "description": described}
            value = next(choice for choice in choices if choice.lower().endswith("on" if on else "off"))
        parts = [part for part in self._parts(subject, style, 0.3, verb, thing) if part.key != key]
        parts = [part for part in parts if part.entry != "enabled"]
        name = named(
            [draw.choice(("control", "set", "switch", "toggle")), thing], style, subject["name"], draw
        )
        description = draw.choice(
            ("Control the {obj}", "Switch the {obj} on or off", "Sets the state of the {obj}")
        )
        return RandomTool(
            name,
            description.format(obj=thing),
            parts,
            subject["name"],
            "update",
            thing,
            (key, value),
            verb,
            schema,
        )

    def calculation(self) -> RandomTool:
        """A tool that computes one number from others."""
        draw = self._draw
        result = draw.choice(self._bank.quantities["results"])
        style = draw.choice(STYLES)
        parts: list[Part] = []
        for name in draw.sample(list(self._bank.quantities["names"]), draw.choice((1, 2, 2, 3, 3, 4, 5))):
            kind = draw.choice(("number", "integer", "number"))
            description = draw.choice(
                (
                    f"The {name}",
                    f"{name.capitalize()} of the object",
                    f"{name} as a number",
                    f"The {name} in standard units",
                    f"The {name} used for the {result}",
                )
            )
            schema = {"type": kind, "description": description}
            parts.append(Part(spelled(name, style), "quantity", name, schema, draw.random() < 0.8))
        description = draw.choice(self._bank.verbs["calculate"]["describe"]).format(obj=result)
        name = named([draw.choice(self._bank.verbs["calculate"]["names"]), result], style, "math", draw)
        return RandomTool(name, description, parts, "calculation", "calculate", result)

    def _parts(
        self, subject: Mapping[str, Any], style: str, required: float, verb: str, thing: str
    ) -> list[Part]:
        draw, parts = self._draw, list[Part]()
        wanted = [("role", entry) for entry in subject["roles"]]
        wanted += [("enum", entry) for entry in subject["enums"]]
        wanted += [("flag", entry) for entry in subject["flags"]]
        count = draw.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 12))
        wanted = draw.sample(wanted, min(count, len(wanted)))
        group = draw.choice(("filters", "options", "details")) if count > 3 and draw.random() < 0.15 else ""
        taken: set[str] = set()
        for kind, entry in wanted:
            key, schema = self._parameter(kind, entry, style, verb, thing)
            if key in taken:
                continue
            taken.add(key)
            nested = group if group and draw.random() < 0.5 else ""
            must = not nested and draw.random() < required * (1.0 if kind == "role" else 0.3)
            if not must and kind == "enum" and "enum" in schema and draw.random() < 0.5:
                schema["default"] = draw.choice(schema["enum"])
            parts.append(Part(key, kind, entry, schema, must, nested))
        return parts

    def _parameter(
        self, kind: str, entry: str, style: str, verb: str, thing: str
    ) -> tuple[str, dict[str, Any]]:
        draw = self._draw
        if kind == "flag":
            said = entry.replace("_", " ")
            description = draw.choice(
                (
                    f"Whether to {said}" if verb else "",
                    f"If true, {said}",
                    f"{said.capitalize()} or not",
                    f"Set to true for {said}",
                    f"Flag for {said}. Defaults to false.",
                )
            )
            return spelled(said, style), {"type": "boolean", "description": description}
        table = self._bank.roles if kind == "role" else self._bank.enums
        recipe = table[entry]
        described = draw.choice(recipe["describe"]).format(obj=thing, verb=verb.replace("_", " "))
        schema: dict[str, Any] = {"type": recipe.get("type", "string"), "description": described}
        if schema["type"] == "array":
            schema["items"] = {"type": "number" if entry == "numbers" else "string"}
        if kind == "enum":
            choices = list(recipe["values"])
            style_of = draw.choice((str, str, str.upper, str.capitalize))
            schema["enum"] = [style_of(choice) for choice in choices]
            if draw.random() < 0.15:  # told in words only
                told = schema.pop("enum")
                schema["description"] += (
                    draw.choice((". One of: ", " (", ", such as ")) + ", ".join(told) + "."
                )
        elif draw.random() < 0.25:
            schema["description"] += draw.choice(_HINTS)
            if schema["description"].endswith("dontcare'.") and schema["type"] == "string":
                schema["default"] = "dontcare"
        return spelled(draw.choice(recipe["names"]).replace("_", " "), style), schema


def spelled(words: str, style: str) -> str:
    """Write words as an identifier: `"max price"` in camel style is `"maxPrice"`."""
    parts = words.replace("-", " ").split()
    match style:
        case "camel":
            return parts[0][0].lower() + parts[0][1:] + "".join(part.capitalize() for part in parts[1:])
        case "pascal":
            return "".join(part.capitalize() for part in parts)
        case "kebab":
            return "-".join(parts).lower()
        case _:
            return "_".join(parts).lower()


def named(words: list[str], style: str, domain: str, draw: random.Random) -> str:
    """A tool's name from a verb and an object."""
    plain = " ".join(words).replace("_", " ")
    match style:
        case "dotted":
            return f"{domain}.{spelled(plain, draw.choice(('snake', 'camel')))}"
        case "numbered":
            return f"{domain.capitalize()}_{draw.randint(1, 4)}_{spelled(plain, 'pascal')}"
        case _:
            return spelled(plain, style)
