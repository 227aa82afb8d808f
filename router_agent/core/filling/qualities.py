"""What units measure, and by which words parameters are named that take such amounts."""

# ruff: noqa: E501 - a table of words reads better as words

from __future__ import annotations

import re
from typing import Final

_TABLE: Final = """
length | meter kilometer centimeter millimeter mile foot inch yard | distance length height width radius diameter
    depth thickness displacement side base altitude elevation wavelength perimeter
mass | kilogram gram milligram pound ounce tonne | mass weight load
volume | liter milliliter gallon | volume capacity fuel
time | second millisecond minute hour day night week month year decade | time duration period term age years days
    hours minutes seconds nights weeks months interval length timeout tenure
temperature | celsius fahrenheit kelvin degree | temperature temp angle heat
speed | meter/second kilometer/hour mile/hour | speed velocity rate
force | newton | force tension weight
energy | joule calorie | energy work calories heat
power | watt kilowatt | power wattage
electric | volt ampere ohm coulomb tesla | voltage current resistance charge field potential
frequency | hertz | frequency rate
pressure | pascal | pressure
amount | mole | moles amount quantity
data | byte megabyte gigabyte | size memory storage capacity
people | person | people guests persons adults travelers passengers seats tickets party number rooms quantity count
    size
money | dollar euro | amount price budget cost principal income salary investment value money payment loan fee
    balance deposit rent revenue
"""
QUALITIES: Final = {
    name.strip(): (frozenset(units.split()), tuple(words.split()))
    for name, units, words in (line.split("|") for line in re.sub(r"\n\s+", " ", _TABLE).strip().splitlines())
}
"""From a quality to its units and to the names of parameters that have it."""
_QUALITY_OF: Final = {unit: quality for quality, (units, _) in QUALITIES.items() for unit in units}


SIZES: Final = (*QUALITIES["length"][1], "rows", "columns", "cols", "breadth", "size")
"""Words of names of parameters that "3 by 4" may speak of."""


def quality_of(unit: str) -> str | None:
    """Return what a unit measures, such as `"length"`; `None` where that is not known."""
    return _QUALITY_OF.get(unit)
