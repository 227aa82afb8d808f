"""Fills booleans: by the words of their name, and by what denies them."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.nearness import Cues
from router_agent.core.intents import Intent
from router_agent.core.language.stems import stem
from router_agent.core.language.words import NEGATIONS, STOP_WORDS, sense
from router_agent.core.parameters import Parameter
from router_agent.models.reading import SlotReading

_DULL: Final = frozenset(
    stem(word)
    for word in "is has have include including included show with only allow allowed should want return "
    "get need "
    "enable enabled use flag available private_".split()
)
_NO: Final = NEGATIONS.union("don't exclude doesn't isn't aren't neither few little hardly".split())
_SCARCE: Final = frozenset({"few", "little"})
_LACKING: Final = frozenset("no non not without free disable exclude skip ignore hide off".split())
"""Words of a name that says what is not there: "no entry fee" is true of `free_entry`."""
_UN: Final = ("non-", "un-", "no-")
_NOT_BEHIND: Final = re.compile(r"\s+(?:is|are)\s*(?:not|n['’]t|never|forbidden|banned)\b", re.IGNORECASE)
_OFF: Final = re.compile(
    r"\b(?:turn(?:ed)?|switch(?:ed)?|set)\b.{0,20}\boff\b|\bdisabled?\b|\bfalse\b", re.IGNORECASE
)

_ACTS: Final = frozenset(map(sense, map(stem, "find get create change run stop".split())))
"""What somebody wants done: a "late check-in" is not spoken of by who asks to see something."""


def truth_for(
    parameter: Parameter, intent: Intent, cues: Cues, reading: SlotReading | None
) -> Iterator[Candidate]:
    """Offer true or false where the intent speaks of the matter."""
    telling = [one for one in parameter.name_stems if one not in _DULL and one not in STOP_WORDS]
    # "is_cleaning_home" beside "is_cleaning_office": their common word tells neither
    own = [one for one in telling if not cues.is_shared(one)]
    wanted = own or telling or list(parameter.name_stems)
    found: dict[str, int] = {}
    for place, stems in enumerate(intent.stems):
        for one in wanted:
            if one in stems or (
                sense(one).startswith("~")
                and sense(one) not in _ACTS
                and any(sense(each) == sense(one) for each in stems)
            ):
                found.setdefault(one, place)
    share = len(found) / len(wanted)
    said: Candidate | None = None
    # "free entry" says it as it is called; "no entry fee" says the other half alone
    lacking = parameter.named(*_LACKING) and not any(stem(one) in found for one in _LACKING)
    if found and share > 0.49:
        first, last = min(found.values()), max(found.values())
        start, end = intent.words[first].start, intent.words[last].end
        denied = _is_denied(intent, first, last)
        if not parameter.named(*_LACKING):  # "non-smoking" is as `non_smoking` has it
            denied = denied or any(one.lower.startswith(_UN) for one in intent.words[first : last + 1])
        elif lacking:
            denied = denied or bool(_NOT_BEHIND.match(intent.text, end))
        said = Candidate(
            denied == lacking,
            0.35 + 0.45 * share,
            start,
            end,
            "mentioned",
            shares=True,
        )
    if said is not None:
        yield said
    elif reading is not None:
        _, yes, no = reading.truth
        for value, probability in ((True, yes), (False, no)):
            yield Candidate(value, 0.7 * probability, rule="truth", shares=True)


def is_truth(parameter: Parameter) -> bool:
    """Whether its choices are "True" and "False" as text, perhaps with one for neither."""
    said = {str(one).lower() for one in parameter.choices}
    return {"true", "false"} <= said and len(said) <= 3


def spelled(parameter: Parameter, value: bool) -> str:
    """Return the choice that says true or false."""
    return next(str(one) for one in parameter.choices if str(one).lower() == str(value).lower())


def _is_denied(intent: Intent, first: int, last: int) -> bool:
    words = [word.lower for word in intent.words[max(0, first - 4) : first]]
    before = {
        word
        for word, last_ in zip(words, ["", *words], strict=False)
        if last_ != "a" or word not in _SCARCE  # "a few" are some
    }
    if before & _NO:
        return True
    start = intent.words[max(0, first - 4)].start
    end = intent.words[min(len(intent.words) - 1, last + 4)].end
    return bool(_OFF.search(intent.text[start:end]))
