"""How a parameter is said: its words, what stands around them, and what they mean."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from router_agent.models import words_of
from router_agent.training.schemas import Bank, Part
from router_agent.training.values import Said, Values

_QUANTITY = (
    "{n} of {v}", "{n} {v}", "a {n} of {v}", "{n} is {v}", "{n} = {v}", "the {n} is {v}", "{n}: {v}",
    "{v} {n}",
)  # fmt: skip  # a list of words, not a line for each
_NAMED = ("with {n} {v}", "{n} {v}", "{n} is {v}", "{n} = {v}", "{n}: {v}", "the {n} should be {v}")
_PAIRS = {
    ("origin", "destination"): ("from {a} to {b}", "between {a} and {b}", "{a} to {b}", "from {a} - {b}"),
    ("airport_from", "airport_to"): ("from {a} to {b}", "{a} to {b}", "{a}-{b}"),
    ("start_date", "end_date"): ("from {a} to {b}", "between {a} and {b}", "{a} - {b}", "{a} until {b}"),
    ("start_year", "end_year"): (
        "from {a} to {b}",
        "between {a} and {b}",
        "{a}-{b}",
        "between the years {a} and {b}",
    ),
    ("min_price", "max_price"): ("between {a} and {b}", "from {a} to {b}", "{a} to {b}", "priced {a}-{b}"),
    ("from_currency", "to_currency"): ("from {a} to {b}", "{a} to {b}", "{a} into {b}", "{a} in {b}"),
    ("source_language", "target_language"): ("from {a} to {b}", "{a} to {b}", "from {a} into {b}"),
    ("team", "team2"): ("between {a} and {b}", "{a} vs {b}", "of {a} against {b}"),
    ("latitude", "longitude"): ("at {a}, {b}", "at coordinates {a}, {b}", "for ({a}, {b})"),
}


@dataclass(slots=True)
class Draft:
    """An intent while it is put together: runs of text, some of them a slot's words."""

    runs: list[tuple[str, str]] = field(default_factory=list)

    def add(self, text: str, slot: str = "") -> None:
        if text:
            self.runs.append((text, slot))

    def finish(self) -> tuple[str, dict[str, tuple[int, int]]]:
        """The whole text, and where each slot's words stand in it."""
        text, spans = "", dict[str, tuple[int, int]]()
        for run, slot in self.runs:
            if slot and slot not in spans:
                spans[slot] = (len(text), len(text) + len(run))
            text += run
        return text, spans


@dataclass(slots=True)
class Phrase:
    """What is said of one parameter; `{v}` stands for its words."""

    part: Part
    template: str
    said: Said | None
    value: Any
    partner: Phrase | None = None
    """Said in the same breath, as `{b}` after `{a}`."""


class Phrasebook:
    """Draws what is said of parameters."""

    def __init__(self, bank: Bank, values: Values, draw: random.Random) -> None:
        self._bank, self._values, self._draw = bank, values, draw

    def phrase(self, part: Part) -> Phrase:
        """One way to say a parameter, whatever its kind."""
        draw, named = self._draw, words_of(part.key)
        match part.kind:
            case "flag":
                phrases = self._bank.flags[part.entry]
                cut = phrases.index("|")
                true = draw.random() < 0.65
                return Phrase(part, draw.choice(phrases[:cut] if true else phrases[cut + 1 :]), None, true)
            case "enum":
                return self._enum(part, named)
            case "quantity":
                said = self._values.number(draw.choice(self._bank.quantities["units"]))
                if part.schema["type"] == "integer" and not isinstance(said.value, int):
                    said = Said(str(int(said.value)), int(said.value), after=said.after)
                return Phrase(part, draw.choice(_QUANTITY).replace("{n}", part.entry), said, said.value)
            case _:
                recipe = self._bank.roles[part.entry]
                said = self._values.say(recipe["from"])
                template = draw.choice(recipe["say"])
                if draw.random() < 0.15:
                    template = draw.choice(_NAMED).replace("{n}", named)
                return Phrase(part, template, said, said.value)

    def paired(self, phrases: Sequence[Phrase]) -> list[Phrase]:
        """Put some that belong together into one breath: from one city to another."""
        by_entry = {phrase.part.entry: phrase for phrase in phrases if phrase.said is not None}
        gone: set[int] = set()
        for (first, second), templates in _PAIRS.items():
            one, other = by_entry.get(first), by_entry.get(second)
            if one is None or other is None or self._draw.random() < 0.4:
                continue
            one.template, one.partner = self._draw.choice(templates), other
            gone.add(id(other))
        return [phrase for phrase in phrases if id(phrase) not in gone]

    def say(self, draft: Draft, phrase: Phrase) -> None:
        """Add a phrase to a draft."""
        if phrase.said is None:
            draft.add(phrase.template)
        elif phrase.partner is not None and phrase.partner.said is not None:
            before, _, rest = phrase.template.partition("{a}")
            between, _, after = rest.partition("{b}")
            for text, one in ((before, phrase), (between, phrase.partner)):
                assert one.said is not None
                draft.add(text + one.said.before)
                draft.add(one.said.words, one.part.slot)
                draft.add(one.said.after if one is phrase.partner or self._draw.random() < 0.5 else "")
            draft.add(after)
        else:
            self._single(draft, phrase, phrase.said)

    def _single(self, draft: Draft, phrase: Phrase, said: Said) -> None:
        before, _, after = phrase.template.partition("{v}")
        quotable = phrase.part.schema["type"] == "string" and not before.endswith(("'", '"', "`"))
        quote = self._draw.choice(("'", '"')) if quotable and self._draw.random() < 0.06 else ""
        draft.add(before + quote + said.before)
        draft.add(said.words, phrase.part.slot)
        draft.add(("" if quote or after.startswith(("'", '"')) else said.after) + quote + after)

    def _enum(self, part: Part, named: str) -> Phrase:
        choices = list(self._bank.enums[part.entry]["values"].items())
        number = self._draw.randrange(len(choices))
        if "enum" not in part.schema:
            word = choices[number][0]
            said = Said(word.replace("_", self._draw.choice((" ", "_"))), word)
            return Phrase(
                part, self._draw.choice(("{v}", "as {v}", *_NAMED)).replace("{n}", named), said, word
            )
        value = part.schema["enum"][number]
        plain = str(value).replace("_", " ")
        means = choices[number][1]
        template = self._draw.choice((*means, *means, plain, f"{named} {plain}", f"with {named} {plain}"))
        return Phrase(part, template, None, value)


def roughen(draft: Draft, draw: random.Random) -> None:
    """Write as people do: small letters, a slip of the finger, or tidy with a capital and a full stop."""
    way = draw.random()
    if way < 0.45:
        draft.runs = [(text.lower(), slot) for text, slot in draft.runs]
    elif way < 0.85 and draft.runs:
        text, slot = draft.runs[0]
        draft.runs[0] = (text[0].upper() + text[1:], slot)
        if not draft.runs[-1][0].endswith(("?", "!", ".")):
            draft.runs.append((draw.choice((".", ".", "?")), ""))
    plain = [number for number, (text, slot) in enumerate(draft.runs) if not slot and len(text) > 6]
    if plain and draw.random() < 0.08:
        number = draw.choice(plain)
        text, _ = draft.runs[number]
        at = draw.randrange(1, len(text) - 2)
        draft.runs[number] = (text[:at] + text[at + 1] + text[at] + text[at + 2 :], "")
