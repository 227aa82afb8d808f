"""The Filler: gives each parameter of a tool the value that the intent has for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from router_agent.core.consenting import consent_in
from router_agent.core.filling.booleans import is_truth, spelled, truth_for
from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.choices import choices_for
from router_agent.core.filling.codes import codes_for
from router_agent.core.filling.formats import wants_moment
from router_agent.core.filling.labels import Labels
from router_agent.core.filling.lists import lists_for, literals_for
from router_agent.core.filling.nearness import Cues
from router_agent.core.filling.notations import notate
from router_agent.core.filling.ordering import by_size, in_order
from router_agent.core.filling.quantities import numbers_for
from router_agent.core.filling.texts import texts_for
from router_agent.core.intents import Intent
from router_agent.core.language.words import senses_of
from router_agent.core.parameters import Parameter
from router_agent.core.tools import Tool
from router_agent.models.reading import Reading, SlotReading

REQUIRED_FLOOR: Final = 0.2
"""The least score for a value that must be there: a weak guess is shown rather than nothing."""
OPTIONAL_FLOOR: Final = 0.5
ANSWERED: Final = 0.9
"""How far a value is to be trusted that was given when it was asked for."""
SURE: Final = 0.7
"""From here on, a choice has its words to itself."""
_TOLD_DEFAULT: Final = re.compile(
    r"\bdefaults?(?:\s+value)?(?:\s+is|\s+to|:|\s*=)\s*(?:set to\s+)?['\"]?([\w.+-]+(?:\s[\w]+)?)['\"]?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where an argument's value comes from."""

    path: tuple[str, ...]
    start: int
    """In the intent; -1: it stands nowhere there, `rule` says where it is from."""
    end: int
    rule: str
    probability: float


@dataclass(frozen=True, slots=True)
class Filled:
    """What the Filler made of an intent for one tool."""

    arguments: dict[str, Any]
    evidence: tuple[Evidence, ...]
    missing: tuple[Parameter, ...]
    """Required, and neither said nor with a default."""

    @property
    def weakest(self) -> float:
        """The lowest probability among the arguments; 1 without any."""
        return min((one.probability for one in self.evidence), default=1.0)

    @property
    def grounded(self) -> float:
        """The share of arguments that stand in the intent or were answered; 1 without any."""
        if not self.evidence:
            return 1.0
        return sum(one.start >= 0 or one.rule == "answered" for one in self.evidence) / len(self.evidence)


def fill(intent: Intent, tool: Tool, reading: Reading | None = None) -> Filled:
    """Fill a tool's parameters; each stretch of the intent goes to the parameter that it suits best."""
    parameters = tool.parameters
    tool_words = senses_of(tool.name)
    cues, labels = Cues(intent, parameters), Labels(intent, parameters, tool_words)
    read: list[SlotReading | None] = list(reading.slots) if reading is not None else []
    read += [None] * (len(parameters) - len(read))
    offers = sorted(
        (
            (candidate, number)
            for number, parameter in enumerate(parameters)
            for found in _candidates(parameter, intent, cues, read[number], tool_words)
            for candidate in (labels.weighed(found, parameter),)
            if candidate.score >= (REQUIRED_FLOOR if parameter.required else OPTIONAL_FLOOR)
        ),
        key=lambda offer: (
            -_rank(offer[0], parameters[offer[1]]),
            offer[0].start,
            offer[1],
        ),
    )
    chosen = _answered(intent, tool)
    taken: list[tuple[int, int]] = []
    spoken_for: list[tuple[int, int]] = []
    for candidate, number in offers:
        if number in chosen:
            continue
        if not candidate.shares and _overlaps(candidate, taken):
            continue
        if not (candidate.shares or parameters[number].required) and _overlaps(candidate, spoken_for):
            continue  # "comedy" is the genre already, and no title besides
        chosen[number] = candidate
        if candidate.rule == "choice" and candidate.is_said and candidate.score >= SURE:
            spoken_for.append((candidate.start, candidate.end))
        if candidate.is_said and not candidate.shares:
            taken.append((candidate.start, candidate.end))
    in_order(parameters, chosen)
    by_size(parameters, chosen, intent, cues)
    return _assembled(parameters, chosen)


def _answered(intent: Intent, tool: Tool) -> dict[int, Candidate]:
    """Read what the asker answered, each answer by itself and for its own parameter alone."""
    said = {one.path: one.text for one in intent.answers if (one.participant, one.tool) == tool.key}
    out: dict[int, Candidate] = {}
    for number, parameter in enumerate(tool.parameters if said else ()):
        if parameter.path in said:
            answer = Intent.of(said[parameter.path], intent.today)
            value = _value_in(answer, parameter)
            if value is not None:
                out[number] = Candidate(value, ANSWERED, rule="answered")
    return out


def _value_in(answer: Intent, parameter: Parameter) -> Any:
    """Return the value that an answer gives; `None` when it gives none."""
    if parameter.kind == "boolean":
        return consent_in(answer.text)
    if parameter.kind == "string" and not parameter.choices and not wants_moment(parameter):
        return notate(answer.text, parameter) or None  # all of it: nothing else was asked for
    offers = _candidates(parameter, answer, Cues(answer, [parameter]), None, frozenset())
    best = max(offers, key=lambda one: one.score, default=None)
    return best.value if best is not None else None


def _overlaps(candidate: Candidate, spans: list[tuple[int, int]]) -> bool:
    return any(candidate.start < end and start < candidate.end for start, end in spans)


def _rank(candidate: Candidate, parameter: Parameter) -> float:
    """A candidate's score; what must be there goes before what may."""
    return candidate.score + (0.08 if parameter.required else 0.0)


def _assembled(parameters: tuple[Parameter, ...], chosen: dict[int, Candidate]) -> Filled:
    arguments: dict[str, Any] = {}
    evidence: list[Evidence] = []
    missing: list[Parameter] = []
    for number, parameter in enumerate(parameters):
        one = chosen.get(number)
        if one is None and parameter.required:
            value = default_of(parameter)
            if value is None:
                missing.append(parameter)
                continue
            one = Candidate(value, 0.6, rule="default")
        if one is None:
            continue
        place = arguments
        for part in parameter.path[:-1]:
            place = place.setdefault(part, {})
        place[parameter.name] = one.value
        evidence.append(Evidence(parameter.path, one.start, one.end, one.rule, one.score))
    return Filled(arguments, tuple(evidence), tuple(missing))


def default_of(parameter: Parameter) -> Any:
    """Return what the schema or the description gives when nothing is said, else `None`."""
    if parameter.default is not None:
        return parameter.default
    if len(parameter.choices) == 1:
        return parameter.choices[0]
    told = _TOLD_DEFAULT.search(parameter.description)
    if told is None:
        return None
    text = told.group(1).rstrip(".")
    for choice in parameter.choices:
        if str(choice).lower() in {text.lower(), text.split()[0].lower()}:
            return choice
    if parameter.choices:
        return None
    word = text.split()[0].rstrip(".,")
    match parameter.kind:
        case "boolean":
            return {"true": True, "false": False}.get(word.lower())
        case "integer" | "number":
            return _number(word, parameter.kind)
        case "string":
            return None if word.lower() in {"none", "null", "empty", "the", "current"} else word
        case _:
            return None


def _number(word: str, kind: str) -> int | float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    if kind == "integer" or value == int(value):
        return int(value)
    return value


def _candidates(
    parameter: Parameter, intent: Intent, cues: Cues, reading: SlotReading | None, tool_words: frozenset[str]
) -> Iterator[Candidate]:
    if not parameter.choices and parameter.kind not in {"boolean", "object"}:
        yield from codes_for(parameter, intent, cues)
    if parameter.kind == "boolean":
        yield from truth_for(parameter, intent, cues, reading)
    elif parameter.kind == "string" and is_truth(parameter):
        yield from (
            replace(one, value=spelled(parameter, one.value))
            for one in truth_for(parameter, intent, cues, None)
        )
    elif parameter.kind == "array":
        singles = (
            choices_for(parameter, intent, cues, reading)
            if parameter.choices
            else texts_for(parameter, intent, cues, reading, tool_words)
        )
        yield from lists_for(parameter, intent, cues, reading, singles)
    elif parameter.kind == "object":
        yield from literals_for(parameter, intent, cues, dict)
    elif parameter.choices:
        yield from choices_for(parameter, intent, cues, reading)
    elif parameter.kind in {"integer", "number"}:
        yield from numbers_for(parameter, intent, cues, reading)
    else:
        yield from texts_for(parameter, intent, cues, reading, tool_words)
