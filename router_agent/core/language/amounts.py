"""Numbers in a text: digits, words, ordinals, percentages and money, each with its unit."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from router_agent.core.language.tables import CURRENCY_SIGNS, UNITS

_ONES: Final = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen "
        "seventeen eighteen nineteen".split(),
        range(20),
        strict=False,
    )
)
_TENS: Final = {
    word: 10 * (place + 2)
    for place, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())
}
_ORDINALS: Final = {
    word: place + 1
    for place, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
    )
}
_SCALES: Final = {
    "hundred": 100.0,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
    "dozen": 12.0,
    "k": 1e3,
    "m": 1e6,
    "bn": 1e9,
    "mil": 1e6,
}
_SIGNS: Final = re.escape("".join(CURRENCY_SIGNS))
_DIGITS: Final = re.compile(
    rf"""(?P<sign>(?<![\w.)\]])[-−+]\s?)?(?P<money>[{_SIGNS}]\s?)?
    (?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+\.\d+|\.\d+|\d+)
    (?P<power>[eE][+-]?\d+|\s?[x×*]\s?10\s?\^\s?[+-]?\d+)?
    (?P<ordinal>(?:st|nd|rd|th)\b)?
    (?P<scale>\s?(?:hundred|thousand|million|billion|trillion|dozen)\b|(?:k|M|bn|mil)\b|(?<=\$)K\b)?
    (?P<percent>\s?(?:%|percent\b|per\ cent\b))?""",
    re.VERBOSE,
)
_COUNTED: Final = re.compile(
    r"\s+(?:given |independent |different |following )?(?:numbers|values|points|vectors|integers|samples|"
    r"cities|places|"
    r"groups|sets|things|locations|sides|players|teams|species|jobs|cards)\b",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[A-Za-z]+")
_UNIT: Final = re.compile(r"\s?-?\s?([°º]?\s?[A-Za-zµΩ]+(?:/[A-Za-z]+)?(?:\^?[23²³])?)")


@dataclass(frozen=True, slots=True)
class Number:
    """A number at `text[start:end]`; its unit's word follows at `end`."""

    start: int
    end: int
    value: float
    unit: str = ""
    """The unit's common name, such as `"meter"`; empty when none stands beside it."""
    percent: bool = False
    ordinal: bool = False
    currency: str = ""
    """A currency's code where its sign stands before the number."""
    unit_end: int = 0
    """Where the unit's word ends; `end` without one."""
    in_word: bool = False
    """Whether it is a part of a word such as `"C4"`, and so hardly a number."""


def numbers_in(text: str) -> list[Number]:
    """Return a text's numbers in order; never two that overlap."""
    found = [*_in_digits(text), *_in_words(text), *_in_spans(text)]
    found.sort(key=lambda one: (one.start, one.start - one.end))
    out: list[Number] = []
    for one in found:
        if not out or one.start >= out[-1].end:
            out.append(one)
    return out


def plain(value: float) -> int | float:
    """Return a whole number as an integer."""
    return int(value) if value == int(value) and abs(value) < 1e15 else value


_SPAN: Final = re.compile(
    r"\b(?:next|past|last|coming|upcoming|following|previous)\s+(?P<unit>day|week|month|year|"
    r"decade)\b",
    re.IGNORECASE,
)


def _in_spans(text: str) -> list[Number]:
    """Read "the next week" as one week."""
    return [
        Number(hit.start(), hit.start("unit"), 1.0, hit["unit"].lower(), unit_end=hit.end())
        for hit in _SPAN.finditer(text)
    ]


def _in_digits(text: str) -> list[Number]:
    out: list[Number] = []
    for hit in _DIGITS.finditer(text):
        value = float(hit["digits"].replace(",", ""))
        if power := hit["power"]:
            exponent = re.sub(r"^.*?(?:\^|[eE])\s?", "", power)
            value = float(f"{value}e{int(exponent)}")
        if scale := hit["scale"]:
            value *= _SCALES[scale.strip().lower()]
        if not math.isfinite(value):
            continue
        if hit["sign"] and hit["sign"].strip() != "+":
            value = -value
        before, after = text[hit.start() - 1 : hit.start()], text[hit.end() : hit.end() + 1]
        inside = before.isalpha() or before == "_" or after == "_"
        end = hit.end()
        unit, unit_end = ("", end) if hit["percent"] or hit["ordinal"] else _unit_at(text, end)
        inside = inside or (not unit and after.isalpha() and not hit["ordinal"])
        money = CURRENCY_SIGNS.get((hit["money"] or "").strip(), "")
        out.append(
            Number(
                hit.start(),
                end,
                value,
                unit,
                percent=bool(hit["percent"]),
                ordinal=bool(hit["ordinal"]),
                currency=money,
                unit_end=unit_end,
                in_word=inside,
            )
        )
    return out


def _in_words(text: str) -> list[Number]:
    out: list[Number] = []
    words = list(_WORD.finditer(text))
    at = 0
    while at < len(words):
        value, used, ordinal = _spoken(text, words, at)
        if value is None:
            at += 1
            continue
        start, end = words[at].start(), words[at + used - 1].end()
        if _COUNTED.match(text, end) and value == int(value) and value < 20 and not ordinal:
            at += used  # "two numbers: 40 and 50": it announces them, and is none of them
            continue
        percent = re.match(r"\s?(?:%|percent\b|per cent\b)", text[end:])
        if percent:
            end += percent.end()
        unit, unit_end = ("", end) if percent else _unit_at(text, end)
        out.append(Number(start, end, value, unit, percent=bool(percent), ordinal=ordinal, unit_end=unit_end))
        at += used
    return out


def _spoken(text: str, words: list[re.Match[str]], at: int) -> tuple[float | None, int, bool]:
    """Read "two hundred and fifty" from the word `at` on: its value, its words, whether an ordinal."""
    total, used, last = 0.0, 0, 0
    current: float | None = None
    for place in range(at, len(words)):
        word = words[place].group().lower()
        if used and text[words[place - 1].end() : words[place].start()].strip(" -"):
            break
        if word in _ONES and (current is None or (current % 10 == 0 and current >= 20 and _ONES[word] < 10)):
            current = (current or 0) + _ONES[word]
        elif word in _TENS and (current is None or current >= 100):
            current = (current or 0) + _TENS[word]
        elif word in _ORDINALS and (current is None or current in _TENS.values()):
            return total + (current or 0) + _ORDINALS[word], place - at + 1, True
        elif word in {"hundred", "thousand", "million", "billion", "dozen"} and current is not None:
            scale = _SCALES[word]
            if scale > 100:
                total, current = total + current * scale, 0
            else:
                current *= scale
        elif word == "and" and current is not None and last and current >= 100:
            continue
        elif word == "dozen" and current is None:
            current = 12
        else:
            break
        used, last = place - at + 1, place
    value = total + (current or 0)
    if current is None or not math.isfinite(value):
        return None, 0, False
    half = re.match(r"\s+and\s+a\s+half\b", text[words[at + used - 1].end() :])
    if half:
        return value + 0.5, used + 3, False
    return value, used, False


def _unit_at(text: str, end: int) -> tuple[str, int]:
    hit = _UNIT.match(text, end)
    if hit is None:
        return "", end
    said = hit.group(1).replace(" ", "")
    for form in (said, said.lower(), said.lower().removesuffix("s")):
        if form in UNITS:
            return UNITS[form], hit.end()
    return "", end
