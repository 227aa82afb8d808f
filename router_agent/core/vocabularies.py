"""Small worlds of words: what colours, diets, sports and the like are called."""

# ruff: noqa: E501 - a table of words reads better as words

from __future__ import annotations

from typing import Final

from router_agent.core.parameters import Parameter
from router_agent.core.tables import DEMONYMS, MONTHS, WEEKDAYS

_TABLE: Final = """
color colour shade | red orange yellow green blue purple violet pink brown black white grey gray turquoise teal cyan magenta gold silver beige maroon navy crimson
gender sex | male female men women man woman boy girl boys girls unisex
diet dietary restriction restrictions preference | vegan vegetarian gluten-free dairy-free keto paleo halal kosher low-carb nut-free pescatarian sugar-free lactose-free
cuisine food | italian chinese japanese mexican indian thai french greek spanish korean vietnamese american mediterranean turkish lebanese ethiopian sushi pizza burger seafood barbecue
sport game | football soccer basketball tennis baseball hockey golf rugby cricket volleyball badminton boxing swimming cycling chess poker
frequency interval period timeframe granularity compounding | hourly daily weekly monthly quarterly yearly annually annual semi-annually
size | small medium large tiny huge xl extra-large
genre category style | comedy drama action horror thriller romance fantasy mystery documentary animation sci-fi rock pop jazz classical blues country hip-hop metal electronic folk
instrument | piano guitar violin drums flute cello saxophone trumpet bass keyboard ukulele harp clarinet
language | english french german spanish italian portuguese russian chinese mandarin japanese korean arabic hindi dutch polish turkish swedish greek
religion | christianity islam buddhism hinduism judaism sikhism taoism
planet body | mercury venus earth mars jupiter saturn uranus neptune moon sun
weather condition | sunny rainy cloudy snowy windy stormy foggy
mode transport travel | driving walking cycling transit bus train car bike plane flight
unit units scale | celsius fahrenheit kelvin metric imperial miles kilometers km meters feet kg kilograms pounds
""".strip()

VOCABULARIES: Final[tuple[tuple[frozenset[str], frozenset[str]], ...]] = (
    *(
        (frozenset(names.split()), frozenset(words.split()))
        for names, words in (line.split("|") for line in _TABLE.splitlines())
    ),
    (frozenset({"month"}), frozenset(MONTHS)),
    (frozenset({"day", "weekday"}), frozenset(WEEKDAYS)),
    (frozenset({"nationality"}), frozenset(DEMONYMS)),
)
"""Names of parameters, and the words that are their values."""


def vocabulary_of(parameter: Parameter) -> frozenset[str]:
    """Return the words that a parameter's values come from; empty where that is not known."""
    words: frozenset[str] = frozenset()
    for names, members in VOCABULARIES:
        if parameter.named(*names, *(f"{name}s" for name in names)):
            words |= members
    return words
