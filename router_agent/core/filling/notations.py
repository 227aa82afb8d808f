"""Writes a text value the way its parameter asks for: codes, states, "City, State", formulas."""

# ruff: noqa: E501, SIM905 - a table of words reads better as words

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from router_agent.core.filling.places import is_town
from router_agent.core.language.tables import (
    CITY_COUNTRIES,
    CITY_STATES,
    CURRENCIES,
    DEMONYMS,
    STATE_NAMES,
    STATES,
)
from router_agent.core.parameters import Parameter

_LANGUAGES: Final = dict(
    entry.split(":")
    for entry in "english:en french:fr german:de spanish:es italian:it portuguese:pt dutch:nl russian:ru "
    "chinese:zh "
    "japanese:ja korean:ko arabic:ar hindi:hi turkish:tr polish:pl swedish:sv norwegian:no danish:da "
    "finnish:fi "
    "greek:el hebrew:he thai:th vietnamese:vi ukrainian:uk czech:cs hungarian:hu romanian:ro "
    "indonesian:id".split()
)
_COUNTRIES: Final = {
    name.replace("_", " "): code
    for name, code in (
        entry.split(":")
        for entry in "united_states:US usa:US us:US america:US united_kingdom:GB uk:GB britain:GB "
        "england:GB france:FR "
        "germany:DE spain:ES italy:IT portugal:PT netherlands:NL belgium:BE switzerland:CH austria:AT "
        "sweden:SE "
        "norway:NO denmark:DK finland:FI poland:PL russia:RU china:CN japan:JP south_korea:KR korea:KR "
        "india:IN "
        "australia:AU new_zealand:NZ canada:CA mexico:MX brazil:BR argentina:AR chile:CL egypt:EG "
        "south_africa:ZA "
        "nigeria:NG kenya:KE turkey:TR greece:GR ireland:IE israel:IL thailand:TH vietnam:VN indonesia:ID "
        "malaysia:MY singapore:SG philippines:PH ukraine:UA czech_republic:CZ hungary:HU romania:RO".split()
    )
}
_TICKERS: Final = dict(
    entry.split(":")
    for entry in "apple:AAPL microsoft:MSFT google:GOOGL alphabet:GOOGL amazon:AMZN tesla:TSLA meta:META facebook:META "
    "netflix:NFLX nvidia:NVDA intel:INTC ibm:IBM amd:AMD disney:DIS walmart:WMT oracle:ORCL adobe:ADBE boeing:BA "
    "coca-cola:KO mcdonald's:MCD nike:NKE starbucks:SBUX visa:V paypal:PYPL".split()
)
_CITY_STATE: Final = re.compile(r"city,?\s*(?:and\s+)?state", re.IGNORECASE)
_CITY_COUNTRY: Final = re.compile(r"city,?\s*(?:and\s+)?country", re.IGNORECASE)
_SHORT_STATE: Final = re.compile(
    r"(?i:\babbr|two-letter|2-letter|short form)|, [A-Z]{2}\b|\b(?:CA|NY|TX)['\"]"
)

_NICKNAMES: Final = {
    "NYC": "New York",
    "LA": "Los Angeles",
    "SF": "San Francisco",
    "DC": "Washington",
    "LV": "Las Vegas",
}
"""Towns by their capitals, where a town with its state is wanted: LA is no Louisiana then."""
_STATE_CODE: Final = re.compile(r", [A-Z]{2}\b")
_STREET_LAYOUT: Final = re.compile(r"['\"]Street(?: Address)?((?:, ?[A-Z][a-z]+(?: \(\w+\))?)+)['\"]")


def notate(said: str, parameter: Parameter) -> str:
    """Return a value in the notation that its parameter's name, description and examples ask for."""
    text = _tidy(said)
    low = text.lower()
    if parameter.named("currency", "currencies") or (parameter.says("currency") and low in CURRENCIES):
        return _currency(text, parameter)
    if parameter.named("language", "lang", "locale") and low in _LANGUAGES and _wants_code(parameter, 2):
        return _LANGUAGES[low]
    if parameter.named("country", "nationality", "market", "region") or parameter.says("country"):
        if low in DEMONYMS:
            text = DEMONYMS[low]
            low = text.lower()
        if low in _COUNTRIES and parameter.named("country", "market") and _wants_code(parameter, 2):
            return _COUNTRIES[low]
    if parameter.named("symbol", "ticker", "stock") and low in _TICKERS:
        return _TICKERS[low] if parameter.says("symbol", "ticker") else text
    if parameter.named("state"):
        if _SHORT_STATE.search(parameter.description):
            return STATES.get(low, text)
        return STATE_NAMES.get(text, text) if text.isupper() else text
    if is_town(parameter):
        return text.partition(",")[0].strip()
    if parameter.says("city", "location", "street"):
        return _place(text, parameter)
    if parameter.named("function", "equation", "expression", "formula"):
        return _formula(text, parameter)
    return text


def _tidy(said: str) -> str:
    text = said.strip(" ,;:\t")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1]
    text = (
        text.removesuffix("'s").removesuffix("’s")
        if text.endswith(("'s", "’s")) and text[:1].islower()
        else text
    )
    return text.rstrip("?!") if not re.search(r"\s", text.rstrip("?!")) else text.rstrip("?")


def _wants_code(parameter: Parameter, length: int) -> bool:
    if parameter.named("code") or parameter.says("iso", "code"):
        return True
    return bool(parameter.examples) and all(
        len(one) == length and one.isalpha() for one in parameter.examples
    )


def _currency(text: str, parameter: Parameter) -> str:
    code = CURRENCIES.get(text.lower().removeprefix("the "))
    if code is None:
        return text
    spelled = any(len(one) > 3 for one in parameter.examples)
    return text if spelled and not parameter.says("code", "iso") else code


@dataclass(frozen=True, slots=True)
class _Style:
    """How a parameter shows places."""

    parts: int
    """Of an address, divided by commas; 0 where it shows none."""
    short: bool
    """Whether states have two letters."""
    state: bool
    country: bool


@lru_cache(maxsize=4_096)
def _style(description: str, examples: tuple[str, ...]) -> _Style:
    street = _STREET_LAYOUT.search(description)
    return _Style(
        1 + street.group(1).count(",") if street else 0,
        bool(_SHORT_STATE.search(description)),
        bool(_CITY_STATE.search(description)) or any(_STATE_CODE.search(one) for one in examples),
        bool(_CITY_COUNTRY.search(description)),
    )


def _place(text: str, parameter: Parameter) -> str:
    """Write a town with what it lies in, if the description or an example does; as it was said otherwise."""
    style = _style(parameter.description, parameter.examples)
    if style.parts and text[:1].isdigit():
        return ",".join(text.split(",")[: style.parts])
    city, _, rest = (part.strip() for part in text.partition(","))
    if rest:
        return f"{city}, {STATES[rest.lower()]}" if style.short and rest.lower() in STATES else text
    words = city.split()
    for at in range(len(words) - 1, 0, -1):
        town, state = " ".join(words[:at]), " ".join(words[at:]).lower()
        if state in STATES and town.lower() in CITY_STATES:
            return f"{town}, {STATES[state] if style.short else STATE_NAMES[STATES[state]]}"
    if style.state and text.isupper():
        city = _NICKNAMES.get(text.replace(".", ""), city)
    if style.state and city.lower() in CITY_STATES:
        code = CITY_STATES[city.lower()]
        return f"{city}, {code if style.short else STATE_NAMES.get(code, code)}"
    if style.country and city.lower() in CITY_COUNTRIES:
        return f"{city}, {CITY_COUNTRIES[city.lower()]}"
    return text


def _formula(text: str, parameter: Parameter) -> str:
    text = re.sub(r"^(?:[fgy]\s?(?:\(\s?\w\s?\))?\s?=\s?)", "", text).replace("²", "^2").replace("³", "^3")
    if parameter.says("python", "lambda", "**"):
        text = text.replace("^", "**")
        text = re.sub(r"(?<=\d)\s?(?=[a-z])", " * ", text)
    return text
