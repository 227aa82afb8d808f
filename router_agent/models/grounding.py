"""Whether what a generative model wrote was said: a value that nobody gave is no value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_SAID = {
    word: float(number)
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": 30.0, "forty": 40.0, "fifty": 50.0, "hundred": 100.0, "thousand": 1000.0, "a": 1.0, "an": 1.0}


def grounded(value: Any, schema: Any, intent: str) -> bool:
    """
    Whether every text and number in a value stands in the intent, or is the schema's own.

    A choice, a constant and a default are the schema's own; a boolean says nothing that
    could be made up. A text counts as said when its words stand in the intent in their
    order, whatever case and marks they have there.
    """
    own = schema if isinstance(schema, Mapping) else {}
    if value in _offered(own):
        return True
    match value:
        case bool() | None:
            return True
        case int() | float():
            return any(said == float(value) for said in _numbers(intent))
        case str():
            wanted = _words(value)
            return not value.strip() or (bool(wanted) and _stands_in(wanted, _words(intent)))
        case Mapping():
            inner = own.get("properties")
            inner = inner if isinstance(inner, Mapping) else {}
            return all(grounded(one, inner.get(name), intent) for name, one in value.items())
        case [*items]:
            return all(grounded(one, own.get("items"), intent) for one in items)
        case _:
            return False


def _offered(schema: Mapping[str, Any]) -> list[Any]:
    choices = schema.get("enum")
    return [
        *(choices if isinstance(choices, list) else ()),
        *(schema[key] for key in ("const", "default") if key in schema),
    ]


def _words(text: str) -> list[str]:
    plain = "".join(
        one for one in unicodedata.normalize("NFKD", text.casefold()) if unicodedata.category(one) != "Mn"
    )
    return _WORD.findall(plain)


def _stands_in(wanted: list[str], said: list[str]) -> bool:
    return any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1))


def _numbers(intent: str) -> set[float]:
    out = {_SAID[word] for word in _words(intent) if word in _SAID}
    for found in _NUMBER.findall(intent):
        number = float(found.replace(",", ""))
        out |= {number, -number if found.startswith("-") else number, number / 100}
    return out
