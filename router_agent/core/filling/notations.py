"""Writes a text value the way its parameter asks for: codes, states, "City, State", formulas."""

# ruff: noqa: E501, SIM905 - a table of words reads better as words

from __future__ import annotations

import re
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


def _place(text: str, parameter: Parameter) -> str:
    """Write a town with what it lies in, if the description or an example does; as it was said otherwise."""
    layout = _STREET_LAYOUT.search(parameter.description) if text[:1].isdigit() else None
    if layout:
        return ",".join(text.split(",")[: 1 + layout.group(1).count(",")])
    city, _, rest = (part.strip() for part in text.partition(","))
    short = bool(_SHORT_STATE.search(parameter.description))
    if rest:
        return f"{city}, {STATES[rest.lower()]}" if short and rest.lower() in STATES else text
    for state, code in STATES.items():
        town = city.lower().removesuffix(f" {state}")
        if town != city.lower() and town in CITY_STATES:
            return f"{city[: len(town)]}, {code if short else STATE_NAMES[code]}"
    wants_state = _CITY_STATE.search(parameter.description) or any(
        re.search(r", [A-Z]{2}\b", one) for one in parameter.examples
    )
    if wants_state and text.isupper():
        city = _NICKNAMES.get(text.replace(".", ""), city)
    if wants_state and city.lower() in CITY_STATES:
        state = CITY_STATES[city.lower()]
        return f"{city}, {state if short else STATE_NAMES.get(state, state)}"
    if _CITY_COUNTRY.search(parameter.description) and city.lower() in CITY_COUNTRIES:
        return f"{city}, {CITY_COUNTRIES[city.lower()]}"
    return text


def _formula(text: str, parameter: Parameter) -> str:
    text = re.sub(r"^(?:[fgy]\s?(?:\(\s?\w\s?\))?\s?=\s?)", "", text).replace("²", "^2").replace("³", "^3")
    if parameter.says("python", "lambda", "**"):
        text = text.replace("^", "**")
        text = re.sub(r"(?<=\d)\s?(?=[a-z])", " * ", text)
    return text
