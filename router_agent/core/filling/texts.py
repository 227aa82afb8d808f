"""Fills texts: by the pointer of an encoder where there is one, and by looks and neighbours always."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.formats import is_span, wants_day, wants_moment, wants_time, write
from router_agent.core.filling.known import known_words, shown_words
from router_agent.core.filling.meanings import (
    CODE,
    FORMULA,
    PATH,
    PLACE,
    TEXT,
    Meaning,
    meaning_of,
    vocabulary_of,
)
from router_agent.core.filling.nearness import Cues
from router_agent.core.filling.notations import notate
from router_agent.core.filling.places import Places, joined
from router_agent.core.filling.units import amounts
from router_agent.core.filling.weighing import ALONE, weighed
from router_agent.core.intents import Intent, Look, Phrase
from router_agent.core.language.moments import Moment
from router_agent.core.language.stems import stem
from router_agent.core.language.tables import CURRENCIES
from router_agent.core.language.words import ORDERS, STOP_WORDS, sense
from router_agent.core.parameters import Parameter
from router_agent.models.reading import SlotReading


def texts_for(
    parameter: Parameter, intent: Intent, cues: Cues, reading: SlotReading | None, tool_words: frozenset[str]
) -> Iterator[Candidate]:
    """Offer phrases of the intent for a text; `tool_words` are what the tool itself is called by."""
    if wants_moment(parameter):
        yield from _moments(parameter, intent, cues, reading)
        if wants_day(parameter) or wants_time(parameter):
            if reading is not None:  # what holds a day or a time is written as such, and not as it stands
                fitting = [one for one in intent.moments if _fits(one, parameter)]
                yield from (
                    one
                    for one in _pointed(parameter, intent, reading)
                    if not any(it.start < one.end and one.start < it.end for it in fitting)
                )
            return
    if parameter.named("currency", "currencies") or parameter.says("currency code"):
        yield from _currencies(parameter, intent, cues)
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


def _moments(
    parameter: Parameter, intent: Intent, cues: Cues, reading: SlotReading | None
) -> Iterator[Candidate]:
    for moment in intent.moments:
        said = intent.text[moment.start : moment.end]
        if not _fits(moment, parameter):
            continue
        score = (
            0.5
            + 0.3 * cues.near(parameter, moment.start, moment.end)
            + _edge(parameter, intent, moment.start)
        )
        if reading is not None:
            score = weighed(score, moment.start, moment.end, reading)
        if wants_day(parameter) and moment.date is None:
            score -= 0.1  # "this Saturday, 2023-09-30": the one that is whole
        later = _until(moment, intent) if is_span(parameter) else None
        if later is not None:
            text = f"{write(moment, parameter, said)} to {write(later, parameter, said)}"
            yield Candidate(text, 0.9, moment.start, later.end, "span of days")
            continue
        # one moment may hold the day of one parameter and the time of another
        parted = moment.has_day and moment.time is not None
        yield Candidate(
            write(moment, parameter, said), min(1.0, score), moment.start, moment.end, "moment", shares=parted
        )


def _until(moment: Moment, intent: Intent) -> Moment | None:
    """Return the day that ends what a day begins: "from May 2 to May 9"."""
    following = (
        one for one in intent.moments if one.date and _TO.fullmatch(intent.text, moment.end, one.start)
    )
    return next(following, None)


_TO: Final = re.compile(r"\s*(?:to|until|till|and|through|-|–)\s*(?:the\s+)?", re.IGNORECASE)


def _fits(moment: Moment, parameter: Parameter) -> bool:
    return (moment.has_day and wants_day(parameter)) or (moment.time is not None and wants_time(parameter))


def _edge(parameter: Parameter, intent: Intent, start: int) -> float:
    """Whether a beginning follows "from" and an end follows "to"."""
    before = intent.text[max(0, start - 14) : start].lower()
    opens = parameter.named("start", "from", "begin", "in", "departure", "checkin", "pickup")
    closes = parameter.named("end", "to", "until", "out", "return", "checkout", "due", "dropoff")
    if re.search(r"\b(?:from|between|since|starting|after|start)\s+(?:the\s+|on\s+)?$", before):
        return 0.2 if opens else (-0.3 if closes else 0.0)
    if re.search(r"\b(?:to|until|till|and|through|by|ending|before|-)\s+(?:the\s+|on\s+)?$", before):
        return 0.2 if closes else (-0.2 if opens else 0.0)
    if parameter.named("departure", "outbound", "return", "inbound"):
        back = _BACK.search(intent.text, max(0, start - 40), start)
        away = _AWAY.search(intent.text, max(0, start - 40), start)
        if back or away:
            return 0.2 if bool(back) == parameter.named("return", "inbound") else -0.3
    return 0.1 if opens else 0.0


_BACK: Final = re.compile(r"\b(?:return\w*|back)\b[^.,;]*\Z", re.IGNORECASE)
_AWAY: Final = re.compile(r"\b(?:depart\w*|leav\w+|outbound)\b[^.,;]*\Z", re.IGNORECASE)


def _currencies(parameter: Parameter, intent: Intent, cues: Cues) -> Iterator[Candidate]:
    low = intent.text.lower()
    for name in sorted(CURRENCIES, key=len, reverse=True):
        for hit in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", low):
            before = low[max(0, hit.start() - 8) : hit.start()]
            score = 0.6 + 0.2 * cues.near(parameter, hit.start(), hit.end()) + 0.01 * len(name)
            source = parameter.named("from", "base", "source", "original")
            target = parameter.named("to", "target", "destination", "into")
            if re.search(r"\b(?:to|into|in)\s+(?:the\s+)?$", before):
                score += 0.15 if target else (-0.3 if source else 0.0)
            elif source:
                score += 0.1
            elif target:
                score -= 0.15
            yield Candidate(
                notate(intent.text[hit.start() : hit.end()], parameter),
                score,
                hit.start(),
                hit.end(),
                "currency",
            )


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
    wholes = [one for one in intent.marked if one.look in {Look.URL, Look.EMAIL, Look.PATH}]
    for phrase in _pool(parameter, intent, meaning, tool_words):
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
        if any(_is_within(phrase, one) for one in wholes):
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
            and _is_tools(intent, intent.word_at(phrase.end - 1), tool_words)
        ):
            score -= 0.1
        if score > 0.1:
            rule = phrase.look.value if not phrase.before else f"{phrase.look.value} after {phrase.before!r}"
            yield Candidate(notate(phrase.text, parameter), min(0.98, score), phrase.start, phrase.end, rule)


def _is_tools(intent: Intent, at: int, tool_words: frozenset[str]) -> bool:
    """Whether a word in small letters is one of the tool's own: "tax cases" of a tool that finds cases."""
    return intent.words[at].text.islower() and not tool_words.isdisjoint(intent.stems[at])


def _is_within(phrase: Phrase, whole: Phrase) -> bool:
    """Whether it is a mere part of an address or a path: "B7" of "2020/B7"."""
    return whole.start <= phrase.start and phrase.end <= whole.end and phrase.text != whole.text


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
        holds = any(
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


def _pool(
    parameter: Parameter, intent: Intent, meaning: Meaning, tool_words: frozenset[str]
) -> Iterable[Phrase]:
    """Each phrase once; chunks also without the words that only introduce them."""
    seen: set[tuple[int, int]] = set()
    for phrase in (*intent.marked, *intent.names, *intent.chunks):
        for one in (phrase, *_trimmed(phrase, parameter, intent, tool_words)):
            verb = (
                one.first and one.look is Look.PHRASE and _begins_with_verb(intent, intent.word_at(one.start))
            )
            if (one.start, one.end) not in seen and one.text and not verb:
                seen.add((one.start, one.end))
                yield one
    if meaning is PLACE:
        yield from (one for one in joined(parameter, intent) if (one.start, one.end) not in seen)


def _begins_with_verb(intent: Intent, word: int) -> bool:
    """Whether the phrase at the beginning of a sentence is an order: "find", "book", "set"."""
    return word < len(intent.words) and bool(intent.stems[word] & ORDERS)


def _trimmed(
    phrase: Phrase, parameter: Parameter, intent: Intent, tool_words: frozenset[str]
) -> Iterator[Phrase]:
    if phrase.look not in {Look.PHRASE, Look.NAME}:
        return
    own = set(parameter.name_stems)
    if phrase.look is Look.NAME and " " in phrase.text:
        own = set()  # "Hilton Hotel" is the hotel's name, and not Hilton
    first, last = intent.word_at(phrase.start), intent.word_at(phrase.end - 1)
    if last >= len(intent.words):
        return
    start, end = first, last
    if phrase.first and phrase.look is Look.PHRASE and first < last and _begins_with_verb(intent, first):
        start += 1
    while start < end and (
        intent.stems[start] & own
        or (start == first and any(sense(one) in tool_words for one in intent.stems[start]))
        or intent.words[start].lower in STOP_WORDS
    ):
        start += 1
    if start > first:
        yield replace(
            phrase,
            text=intent.text[intent.words[start].start : phrase.end],
            start=intent.words[start].start,
            before=intent.words[start - 1].lower,
            first=False,
        )
    while end > start and phrase.look is Look.PHRASE and _is_tools(intent, end, tool_words):
        end -= 1
    if end == last:
        while end > start and intent.stems[end] & own:
            end -= 1
    if end < last:
        yield replace(
            phrase,
            text=intent.text[intent.words[start].start : intent.words[end].end],
            start=intent.words[start].start,
            end=intent.words[end].end,
            first=phrase.first and start == first,
        )
