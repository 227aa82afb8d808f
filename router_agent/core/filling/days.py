"""Fills days and times: each moment of the intent for the parameter whose beginning or end it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.formats import is_span, wants_day, wants_time, write
from router_agent.core.filling.nearness import Cues
from router_agent.core.filling.weighing import weighed
from router_agent.core.intents import Intent
from router_agent.core.language.moments import Moment
from router_agent.core.parameters import Parameter
from router_agent.models.reading import SlotReading

_TO: Final = re.compile(r"\s*(?:to|until|till|and|through|-|–)\s*(?:the\s+)?", re.IGNORECASE)
_BACK: Final = re.compile(r"\b(?:return\w*|back)\b[^.,;]*\Z", re.IGNORECASE)
_AWAY: Final = re.compile(r"\b(?:depart\w*|leav\w+|outbound)\b[^.,;]*\Z", re.IGNORECASE)


def moments_for(
    parameter: Parameter, intent: Intent, cues: Cues, reading: SlotReading | None
) -> Iterator[Candidate]:
    """Offer the moments of the intent for a parameter that takes days or times, written as it wants them."""
    for moment in intent.moments:
        said = intent.text[moment.start : moment.end]
        if not fits(moment, parameter):
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


def fits(moment: Moment, parameter: Parameter) -> bool:
    """Whether a moment has what the parameter takes: a day, or a time of the day."""
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
