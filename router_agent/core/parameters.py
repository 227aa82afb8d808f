"""The values that a tool takes: the leaves of its JSON Schema."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Final

from router_agent.core.language.stems import stem
from router_agent.core.language.words import parts_of, stems_of
from router_agent.core.untrusted import clean
from router_agent.models.reading import kind_of

_DEEPEST: Final = 4
_MOST: Final = 128
"""Leaves of one tool that are filled; a schema with more keeps its first."""
_MOST_CHOICES: Final = 512
"""Values of one enum that are looked for in an intent."""
_MOST_TEXTS: Final = 40
"""Choices whose words are looked at."""
_CONTENTS: Final = frozenset(
    "command cmd code script query sql statement prompt expression text content body message input question "
    "sentence snippet instruction answer response html markdown".split()
)
"""Last words of a content's name. What is said to fill it has a word of the tool's only by chance."""
_CODES: Final = frozenset({"code", "body"})
"""Of these only where they stand alone: a state's code and a celestial body are none."""
_LONGEST_NAME: Final = 128
"""Characters of a property's name; one with a longer name is passed over."""
_EXAMPLE: Final = re.compile(
    r"\(?\b(?:e\.g\.|eg\.|for example|such as|example:|examples:|like)\s*,?:?\s*(.{2,160})", re.IGNORECASE
)
_QUOTED: Final = re.compile(r"'([^']{1,60})'|\"([^\"]{1,60})\"|`([^`]{1,60})`")


@dataclass(frozen=True)
class Parameter:
    """One leaf: a value that an intent may name."""

    path: tuple[str, ...]
    """Property names from the root."""
    kind: str
    """JSON Schema's type: string, integer, number, boolean, array or object."""
    description: str = ""
    """Cleaned; untrusted all the same."""
    choices: tuple[Any, ...] = ()
    """An enum's values, `null` left out; of the elements where `kind` is array."""
    required: bool = False
    item_kind: str = "string"
    """The type of an array's elements."""
    schema: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """The last property name."""
        return self.path[-1]

    @property
    def default(self) -> Any:
        """Its declared default, else `None`."""
        return self.schema.get("default")

    @property
    def has_default(self) -> bool:
        """Whether its schema declares one."""
        return "default" in self.schema

    @cached_property
    def name_stems(self) -> tuple[str, ...]:
        """The stems of its name, in order; of the whole path for a nested one."""
        own = tuple(stem(part) for part in parts_of(self.name))
        return own or (self.name.lower(),)

    @cached_property
    def about(self) -> frozenset[str]:
        """The stems of its name and description together."""
        return frozenset(self.name_stems) | frozenset(stems_of(self.description))

    @cached_property
    def texts(self) -> frozenset[str]:
        """The stems of all that is said of it, its choices included."""
        return self.about.union(*(stems_of(str(choice)) for choice in self.choices[:_MOST_TEXTS]))

    @property
    def is_content(self) -> bool:
        """Whether it takes whatever it is given, as a command, a question or a message does."""
        if self.kind != "string" or self.choices or self.format:
            return False
        *first, last = parts_of(self.name) or ("",)
        return last in (_CONTENTS if not first else _CONTENTS - _CODES)

    @cached_property
    def examples(self) -> tuple[str, ...]:
        """What its description gives in quotes after "such as" and the like."""
        found = _EXAMPLE.search(self.description)
        if found is None:
            return ()
        return tuple(next(filter(None, one.groups())) for one in _QUOTED.finditer(found.group(1)))

    @cached_property
    def format(self) -> str:
        """The format that its schema declares, such as `"date"`; empty without one."""
        declared = self.schema.get("format")
        return declared if isinstance(declared, str) else ""

    def says(self, *words: str) -> bool:
        """Whether its name or description has one of these words or parts of words."""
        said = self._said
        return any(word in said for word in words)

    def named(self, *words: str) -> bool:
        """Whether one of these is a word of its name."""
        return not self._name_parts.isdisjoint(words)

    @cached_property
    def _name_parts(self) -> frozenset[str]:
        return frozenset(parts_of(self.name))

    @cached_property
    def _said(self) -> str:
        return f"{' '.join(parts_of(self.name))} {self.description}".lower()


def parameters_of(schema: Mapping[str, Any]) -> list[Parameter]:
    """Flatten a JSON Schema of an object to the leaves that an intent can fill, in order."""
    return list(islice(_leaves(schema, (), required=True, depth=0), _MOST))


def _leaves(
    schema: Mapping[str, Any], path: tuple[str, ...], *, required: bool, depth: int
) -> Iterator[Parameter]:
    properties, wanted = schema.get("properties"), schema.get("required")
    wanted = wanted if isinstance(wanted, list) else []
    for name, inner in (properties if isinstance(properties, Mapping) else {}).items():
        if not isinstance(inner, Mapping) or len(name) > _LONGEST_NAME:
            continue
        must = required and name in wanted
        if isinstance(inner.get("properties"), Mapping) and inner["properties"] and depth < _DEEPEST:
            yield from _leaves(inner, (*path, str(name)), required=must, depth=depth + 1)
            continue
        items = inner.get("items")
        items = items if isinstance(items, Mapping) else {}
        values = inner.get("enum") or items.get("enum")
        if "const" in inner:
            values = [inner["const"]]
        kind = kind_of(inner)
        yield Parameter(
            (*path, str(name)),
            kind,
            clean(str(inner.get("description") or "")),
            tuple(one for one in values[:_MOST_CHOICES] if one is not None)
            if isinstance(values, list)
            else (),
            required=must,
            item_kind=kind_of(items) if items else "string",
            schema=inner,
        )
