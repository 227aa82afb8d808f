"""The phrases of an intent that could be a text, each also without the words that only introduce it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from router_agent.core.filling.meanings import PLACE, Meaning
from router_agent.core.filling.places import joined
from router_agent.core.intents import Intent, Look, Phrase
from router_agent.core.language.words import ORDERS, STOP_WORDS, sense
from router_agent.core.parameters import Parameter


def pool(
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
    while end > start and phrase.look is Look.PHRASE and is_tools(intent, end, tool_words):
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


def is_tools(intent: Intent, at: int, tool_words: frozenset[str]) -> bool:
    """Whether a word in small letters is one of the tool's own: "tax cases" of a tool that finds cases."""
    return intent.words[at].text.islower() and not tool_words.isdisjoint(intent.stems[at])
