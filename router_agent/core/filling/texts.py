"""Fills texts: by the pointer of an encoder where there is one, and by looks and neighbours always."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.days import fits, moments_for
from router_agent.core.filling.formats import wants_day, wants_moment, wants_time
from router_agent.core.filling.known import currencies, known_words, shown_words
from router_agent.core.filling.meanings import (
    CODE,
    FORMULA,
    PATH,
    PLACE,
    TEXT,
    meaning_of,
    vocabulary_of,
)
from router_agent.core.filling.nearness import Cues
from router_agent.core.filling.notations import notate
from router_agent.core.filling.phrases import is_tools, pool
from router_agent.core.filling.places import Places
from router_agent.core.filling.units import amounts
from router_agent.core.filling.weighing import ALONE, weighed
from router_agent.core.intents import Intent, Look, Phrase
from router_agent.core.language.stems import stem
from router_agent.core.language.words import sense
from router_agent.core.parameters import Parameter
from router_agent.models.reading import SlotReading


def texts_for(
    parameter: Parameter, intent: Intent, cues: Cues, reading: SlotReading | None, tool_words: frozenset[str]
) -> Iterator[Candidate]:
    """Offer phrases of the intent for a text; `tool_words` are what the tool itself is called by."""
    if wants_moment(parameter):
        yield from moments_for(parameter, intent, cues, reading)
        if wants_day(parameter) or wants_time(parameter):
            if reading is not None:  # what holds a day or a time is written as such, and not as it stands
                fitting = [one for one in intent.moments if fits(one, parameter)]
                yield from (
                    one
                    for one in _pointed(parameter, intent, reading)
                    if not any(it.start < one.end and one.start < it.end for it in fitting)
                )
            return
    if parameter.named("currency", "currencies") or parameter.says("currency code"):
        yield from currencies(parameter, intent, cues)
    guesses = [
        *known_words(parameter, intent, cues),
        *shown_words(parameter, intent, cues),
        *amounts(parameter, intent, cues),
        *_tails(parameter, intent, cues),
        *_guesses(parameter, intent, cues, tool_words),
    ]
    if reading is None:
        yield from guesses
        return
    for guess in guesses:
        yield replace(guess, score=weighed(guess.score, guess.start, guess.end, reading))
    yield from _pointed(parameter, intent, reading)


def _pointed(parameter: Parameter, intent: Intent, reading: SlotReading) -> Iterator[Candidate]:
    for span in reading.spans:
        start, end = _snapped(intent, span.start, span.end)
        if start < end:
            value = notate(intent.text[start:end], parameter)
            yield Candidate(value, ALONE * span.probability, start, end, "pointer")


def _snapped(intent: Intent, start: int, end: int) -> tuple[int, int]:
    """Widen a span that cuts a quotation, address or code, and drop spaces at its ends."""
    for one in intent.marked:
        if one.start < end and start < one.end and one.look is not Look.FORMULA:
            inside = one.start <= start and end <= one.end
            if (inside and (one.look is not Look.QUOTED or (end - start) >= 0.5 * (one.end - one.start))) or (
                one.look is Look.QUOTED and start < one.start and end > one.start and end <= one.end + 1
            ):
                return one.start, one.end
    while start < end and intent.text[start].isspace():
        start += 1
    while end > start and intent.text[end - 1] in " ,;:":
        end -= 1
    return start, end


def _guesses(
    parameter: Parameter, intent: Intent, cues: Cues, tool_words: frozenset[str]
) -> Iterator[Candidate]:
    meaning, known = meaning_of(parameter), vocabulary_of(parameter)
    places = Places(parameter, intent) if meaning is PLACE else None
    dated = parameter.named("season", "year", "edition", "duration", "period", "time", "range", "quantity")
    wholes = {
        place: (one.start, one.end)
        for one in intent.marked
        if one.look in {Look.URL, Look.EMAIL, Look.PATH}
        for place in range(intent.word_at(one.start), intent.word_at(one.end - 1) + 1)
    }
    for phrase in pool(parameter, intent, meaning, tool_words):
        score = meaning.looks.get(phrase.look, 0.1 if meaning.named else 0.15)
        if phrase.look is Look.NAME and phrase.first and " " not in phrase.text:
            score -= 0.2
        score += meaning.after.get(phrase.before, 0.0)
        score += 0.35 * cues.near(parameter, phrase.start, phrase.end)
        score += _direction(parameter, phrase.before)
        if places is not None:
            score += places.standing(phrase)
        if meaning in {PATH, FORMULA} and phrase.look is Look.PHRASE:
            score -= 0.1
        if (
            _DATE_LIKE.search(phrase.text)
            and not dated
            and phrase.look is Look.PHRASE
            and meaning not in {TEXT, CODE}
        ):
            score -= 0.3
        score += _codedness(phrase, intent, parameter)
        if _is_within(phrase, wholes.get(intent.word_at(phrase.start))):
            score -= 0.4
        if _says_nothing(phrase, parameter, intent, tool_words):
            score -= 0.4
        if (
            phrase.look is Look.PHRASE
            and meaning not in {TEXT, CODE}
            and not dated
            and _has_amount(phrase, intent)
        ):
            score -= 0.25
        if phrase.look in {Look.NAME, Look.PHRASE, Look.CODE} and _in_moment(phrase, intent):
            score -= 0.4
        if known and phrase.text.lower() not in known:
            score -= 0.1
        if (
            phrase.look is Look.PHRASE
            and " " in phrase.text
            and is_tools(intent, intent.word_at(phrase.end - 1), tool_words)
        ):
            score -= 0.1
        if score > 0.1:
            rule = phrase.look.value if not phrase.before else f"{phrase.look.value} after {phrase.before!r}"
            yield Candidate(notate(phrase.text, parameter), min(0.98, score), phrase.start, phrase.end, rule)


def _is_within(phrase: Phrase, whole: tuple[int, int] | None) -> bool:
    """Whether it is a mere part of an address or a path: "B7" of "2020/B7"."""
    if whole is None or whole == (phrase.start, phrase.end):
        return False
    return whole[0] <= phrase.start and phrase.end <= whole[1]


def _tails(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    """Offer all that follows "where" for a condition; and "content", "saying" or a colon for a text."""
    end = len(intent.text.rstrip(" .?!"))
    if parameter.named("filter", "where", "condition", "criteria"):
        for hit in _WHERE.finditer(intent.text[:end]):
            yield Candidate(intent.text[hit.end() : end], 0.8, hit.end(), end, "what follows")
        return
    if meaning_of(parameter) is not TEXT or any(one.look is Look.QUOTED for one in intent.marked):
        return
    end = len(intent.text.rstrip(" ."))
    for hit in _INTRODUCED.finditer(intent.text):
        word = (hit["word"] or "").lower()
        told = not word or word in _SAYING or (stem(word),) == parameter.name_stems
        if told and end - hit.end() > 1:
            near = 0.1 * cues.near(parameter, hit.end(), end)
            yield Candidate(intent.text[hit.end() : end], 0.72 + near, hit.end(), end, "what follows")


_INTRODUCED: Final = re.compile(
    r"\b(?:(?P<word>[A-Za-z]+)\s*(?::|-|\bas\b)?\s+(?=\w+\s+\w+)|(?:saying|says)\s+(?=\w))|:\s+(?=\w)"
)
_WHERE: Final = re.compile(r"\b(?:where|whose)\s+(?:the\s+|their\s+)?(?=\w+\s+\S)", re.IGNORECASE)
_SAYING: Final = frozenset({"saying", "says", "verbatim", "reads", "reading"})


def _direction(parameter: Parameter, before: str) -> float:
    """Whether a beginning follows "from" or "between", and an end "to" or "and"."""
    opens = parameter.named("start", "from", "begin", "departure", "origin", "source", "base", "initial")
    closes = parameter.named("end", "to", "destination", "target", "arrival", "final", "dest")
    if opens == closes:
        return 0.0
    if before in {"from", "between", "leaving"}:
        return 0.2 if opens else -0.3
    if before in {"to", "and", "into", "reach"}:
        return 0.2 if closes else -0.3
    return 0.0


def _has_amount(phrase: Phrase, intent: Intent) -> bool:
    """Whether a phrase holds a number with its unit, which is rather a number's value."""
    return any(phrase.start <= one.start < phrase.end and not one.in_word for one in intent.numbers)


_LABELS: Final = frozenset(
    {"id", "url", "api", "uuid", "ip", "mpn", "sku", "json", "csv", "pdf", "iso", "usd"}
)
"""Capitals that say what kind of thing follows."""


def _codedness(phrase: Phrase, intent: Intent, parameter: Parameter) -> float:
    """What speaks for or against an identifier, and a phrase that holds one."""
    if phrase.look is not Look.CODE:
        holds = _has_digit(phrase.text) and any(
            one.look is Look.CODE
            and _has_digit(one.text)
            and phrase.start <= one.start
            and one.end <= phrase.end
            for one in intent.marked
        )
        return -0.1 if holds else 0.0  # the code itself, and not with what it is called
    if phrase.text.lower().removesuffix("s") in _LABELS:
        return -0.5
    airport = 0.35 if parameter.named("airport", "airports") and len(phrase.text) == 3 else 0.0
    return airport + (0.12 if _has_digit(phrase.text) else 0.0)


def _has_digit(text: str) -> bool:
    return any(letter.isdigit() for letter in text)


def _in_moment(phrase: Phrase, intent: Intent) -> bool:
    """Whether a phrase is a part of a date: "April" of "April 25th"."""
    return any(
        one.start <= phrase.start and phrase.end <= one.end and (one.day is not None or one.relative)
        for one in intent.moments
    )


def _says_nothing(phrase: Phrase, parameter: Parameter, intent: Intent, tool_words: frozenset[str]) -> bool:
    """Whether a phrase only repeats what the parameter or the tool is called."""
    if phrase.look not in {Look.PHRASE, Look.NAME, Look.CODE}:
        return False
    first, last = intent.word_at(phrase.start), intent.word_at(phrase.end - 1)
    own = set(parameter.name_stems)
    return all(
        stems & own or any(sense(one) in tool_words for one in stems) or intent.words[at].lower in _EMPTY
        for at, stems in enumerate(intent.stems[first : last + 1], first)
    )


_EMPTY: Final = frozenset(
    "different various several provided given following specific certain other available particular".split()
)
"""Words that only announce a value."""


_DATE_LIKE: Final = re.compile(r"^[\d.,:%$-]+$|^(?:today|tomorrow|tonight|yesterday|\d{4})$", re.IGNORECASE)
