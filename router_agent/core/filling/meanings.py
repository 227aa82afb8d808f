"""What a text parameter is about: a place, a person, a code, a colour; so which words of an intent suit it."""

# ruff: noqa: E501 - a table of words reads better as words

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from router_agent.core.intents import Look
from router_agent.core.language.tables import DEMONYMS, MONTHS, WEEKDAYS
from router_agent.core.language.words import parts_of
from router_agent.core.parameters import Parameter


@dataclass(frozen=True, slots=True)
class Meaning:
    """One kind of text: the words that name it, what stands before it, how it looks."""

    named: frozenset[str]
    looks: Mapping[Look, float] = field(hash=False)
    """How well each look suits it, 0 to 1; a look that is missing suits 0.1."""
    after: Mapping[str, float] = field(hash=False)
    """What the word before a value adds."""


_KINDS: Final = """
address | email mail recipient to cc bcc sender | email:0.95 |
url | url link website uri site webpage href endpoint | url:0.95 quoted:0.3 |
folder | directory folder dir | path:0.85 quoted:0.5 name:0.35 code:0.35 phrase:0.3 | in:0.35 of:0.2 from:0.2 under:0.3 inside:0.3 within:0.3 folder:0.3 directory:0.3 called:0.3 named:0.3
path | path file filename filepath dataset script files | path:0.85 quoted:0.5 code:0.3 phrase:0.15 name:0.2 | named:0.3 called:0.3 file:0.2 folder:0.2 in:0.1 to:0.1
formula | function equation expression formula polynomial func | formula:0.9 quoted:0.7 code:0.2 | function:0.2 of:0.2 equation:0.2
code | id code number identifier symbol ticker key token sku isbn uuid hash no model version serial vin zip zipcode postal phone ip | code:0.5 quoted:0.5 name:0.15 phrase:0.05 | id:0.3 number:0.3 code:0.3 identifier:0.3 symbol:0.3 key:0.3 version:0.3
place | location city place address country state area region destination origin where venue town district province neighborhood county departure arrival source zone airport station city1 city2 place1 place2 latitude | name:0.5 quoted:0.3 code:0.2 phrase:0.15 | in:0.35 at:0.25 near:0.3 around:0.3 from:0.25 to:0.25 for:0.12 of:0.12 between:0.2 across:0.2
person | artist author actor director receiver recipient player person cast musician composer sculptor starring president scientist writer celebrity actress patient employee contact people directed singer star member username user performer host customer client assignee | name:0.5 quoted:0.35 code:0.2 phrase:0.12 | by:0.35 with:0.2 to:0.2 of:0.12 named:0.35 for:0.05 from:0.1 starring:0.4 featuring:0.4 directed:0.3 and:0.05
organisation | company organization organisation brand team league store shop restaurant hotel school university museum airline bank club tournament competition exchange platform theater theatre venue manufacturer institution event indexe | name:0.5 quoted:0.45 code:0.35 phrase:0.18 | of:0.18 for:0.15 at:0.25 in:0.12 from:0.15 by:0.1 on:0.15 against:0.2 the:0.05
topic | query topic keyword keywords search term subject category interest theme q searchterm genre field type item product | quoted:0.55 phrase:0.35 name:0.4 code:0.25 | about:0.35 on:0.25 for:0.3 of:0.2 regarding:0.4 search:0.2 find:0.15 related:0.3
text | message text content body note caption comment prompt sentence string title subject question summary name label phrase input | quoted:0.7 name:0.3 phrase:0.25 code:0.2 | saying:0.4 says:0.4 titled:0.4 called:0.4 named:0.4 about:0.3 that:0.2 text:0.3 message:0.3 name:0.3 title:0.3
thing | | quoted:0.45 name:0.38 code:0.3 phrase:0.28 formula:0.2 | of:0.2 for:0.18 in:0.1 by:0.1 with:0.1 named:0.3 called:0.3 from:0.1 to:0.1 a:0.08 an:0.08 the:0.08
""".strip()
"""A kind of text, the words that name it, its looks, and what stands before it; the first that is named counts."""


def _weights(text: str) -> dict[str, float]:
    return {word: float(weight) for word, weight in (pair.split(":") for pair in text.split())}


_MEANINGS: Final = {
    kind.strip(): Meaning(
        frozenset(named.split()), {Look(look): w for look, w in _weights(looks).items()}, _weights(after)
    )
    for kind, named, looks, after in (line.split("|") for line in _KINDS.splitlines())
}
ADDRESS, URL, PATH, FORMULA = (_MEANINGS[kind] for kind in ("address", "url", "path", "formula"))
CODE, PLACE, TEXT, THING = (_MEANINGS[kind] for kind in ("code", "place", "text", "thing"))


def meaning_of(parameter: Parameter) -> Meaning:
    """Return what a parameter is about, by its format and the words of its name, the last one first."""
    if parameter.format == "email":
        return ADDRESS
    if parameter.format in {"uri", "url"}:
        return URL
    words = _name_words(parameter)
    for word in reversed(words):
        if word == "name" and len(words) > 1:
            continue
        for meaning in _MEANINGS.values():
            if word in meaning.named:
                if meaning is ADDRESS and not parameter.says("email", "e-mail"):
                    continue
                return meaning
    if parameter.says("location", "city", "country"):
        return PLACE
    return THING


def _name_words(parameter: Parameter) -> tuple[str, ...]:
    return tuple(word.removesuffix("s") if len(word) > 4 else word for word in parts_of(parameter.name))


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
    return _vocabulary(parameter.name)


@lru_cache(maxsize=4_096)
def _vocabulary(name: str) -> frozenset[str]:
    parts = {one for part in parts_of(name) for one in (part, part.removesuffix("s"))}
    return frozenset().union(*(members for names, members in VOCABULARIES if not names.isdisjoint(parts)))
