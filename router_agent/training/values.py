"""Values as people say them: the words, the words around them, and what they mean."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip  # a list of words, not a line for each
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip  # a list of words, not a line for each
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_CURRENCIES = {
    "USD": ("US dollars", "dollars", "USD", "American dollars", "$"),
    "EUR": ("euros", "Euro", "EUR", "euro"),
    "GBP": ("British pounds", "pounds sterling", "GBP", "pounds"),
    "JPY": ("Japanese yen", "yen", "JPY"),
    "INR": ("Indian rupees", "rupees", "INR"),
    "CAD": ("Canadian dollars", "CAD"),
    "AUD": ("Australian dollars", "AUD"),
    "CHF": ("Swiss francs", "CHF"),
    "CNY": ("Chinese yuan", "CNY", "yuan"),
    "MXN": ("Mexican pesos", "MXN"),
}
_STATES = {
    "CA": "California",
    "NY": "New York",
    "TX": "Texas",
    "FL": "Florida",
    "WA": "Washington",
    "IL": "Illinois",
    "MA": "Massachusetts",
    "CO": "Colorado",
    "GA": "Georgia",
    "OH": "Ohio",
    "NV": "Nevada",
    "AZ": "Arizona",
    "OR": "Oregon",
    "MI": "Michigan",
    "VA": "Virginia",
    "TN": "Tennessee",
    "LA": "Louisiana",
    "PA": "Pennsylvania",
}
_STATE_CITIES = {
    "San Francisco": "CA",
    "Los Angeles": "CA",
    "San Diego": "CA",
    "Berkeley": "CA",
    "Oakland": "CA",
    "Austin": "TX",
    "Houston": "TX",
    "Dallas": "TX",
    "Miami": "FL",
    "Orlando": "FL",
    "Seattle": "WA",
    "Chicago": "IL",
    "Boston": "MA",
    "Denver": "CO",
    "Atlanta": "GA",
    "Las Vegas": "NV",
    "Phoenix": "AZ",
    "Portland": "OR",
    "Detroit": "MI",
    "Nashville": "TN",
    "New Orleans": "LA",
    "Philadelphia": "PA",
    "New York": "NY",
    "San Jose": "CA",
    "Tampa": "FL",
}
_SYMPTOMS = [
    "fever",
    "headache",
    "cough",
    "sore throat",
    "nausea",
    "dizziness",
    "back pain",
    "fatigue",
    "rash",
    "chest pain",
]


@dataclass(frozen=True, slots=True)
class Said:
    """A value in words: what points at it, what stands around it, and its meaning."""

    words: str
    value: Any
    before: str = ""
    after: str = ""


class Values:
    """Draws values by the name of their source; the same draws from the same generator."""

    def __init__(self, lists: Mapping[str, Sequence[str]], draw: random.Random) -> None:
        self._lists, self._draw = lists, draw
        self._makers: dict[str, Callable[[], Said]] = {
            "date": self._date,
            "time": self._time,
            "duration": self._duration,
            "minutes": lambda: self._unit(
                (5, 10, 15, 20, 25, 30, 45, 60, 90, 120), (" minutes", " min", " mins")
            ),
            "hours": lambda: self._unit(range(1, 49), (" hours", " hrs", " hour")),
            "days": lambda: self._unit(range(1, 15), (" days", " nights", " days", "-day")),
            "year": lambda: self._same(draw.choice([draw.randint(1850, 2026), draw.randint(2005, 2025)])),
            "count": self._count,
            "money": self._money,
            "percent": lambda: self._unit(
                (1, 2, 3, 3.5, 4, 4.5, 5, 5.25, 6, 7, 8, 10, 12, 15, 20, 25), ("%", " percent", "%")
            ),
            "rating": lambda: self._unit((3, 3.5, 4, 4.2, 4.5, 5, 2), ("",)),
            "age": lambda: self._unit(range(3, 90), ("",)),
            "distance": lambda: self._unit(
                (1, 2, 3, 5, 10, 15, 20, 25, 50, 100, 2.5), (" km", " miles", " kilometers", " mi")
            ),
            "weight": lambda: self._unit(
                (1, 2.5, 5, 50, 60, 65, 70, 80, 85, 90, 150, 180), (" kg", " pounds", " lbs", " kilograms")
            ),
            "degrees": lambda: self._unit(
                (16, 18, 20, 21, 22, 25, 68, 70, 72, 100, 350),
                (" degrees", "°C", "°F", " degrees celsius", ""),
            ),
            "percent_or_int": lambda: self._unit(
                (5, 10, 20, 25, 30, 40, 50, 60, 75, 80, 90, 100), ("%", "", " percent")
            ),
            "latitude": lambda: self._same(round(draw.uniform(-60, 70), draw.choice((2, 4)))),
            "longitude": lambda: self._same(round(draw.uniform(-170, 170), draw.choice((2, 4)))),
            "idnumber": lambda: self._same(draw.randint(1, 99_999)),
            "numbers": self._numbers,
            "currency": self._currency,
            "state": self._state,
            "city_state": self._city_state,
            "condition": self._condition,
            "weekday": lambda: self._same(draw.choice(_DAYS)),
            "month": lambda: self._same(draw.choice(MONTHS)),
        }

    def say(self, source: str) -> Said:
        """Draw a value from a list (`"city"`), several from it (`"@list:city"`), or by rule (`"@date"`)."""
        if source.startswith("@list:"):
            return self._several(source.removeprefix("@list:"))
        if source.startswith("@"):
            return self._makers[source[1:]]()
        return self._same(self._draw.choice(self._lists[source]))

    def number(self, unit: str) -> Said:
        """A number of any size with a unit after it, for calculations."""
        draw = self._draw
        value = draw.choice(
            (
                draw.randint(1, 20),
                draw.randint(1, 500),
                draw.randrange(100, 100_000, 50),
                round(draw.uniform(0, 100), 1),
                round(draw.uniform(0, 1), 2),
                draw.randint(2, 12),
            )
        )
        words = f"{value:,}" if isinstance(value, int) and value > 999 and draw.random() < 0.3 else str(value)
        if isinstance(value, int) and value <= 12 and draw.random() < 0.15:
            words = NUMBER_WORDS[value]
        return Said(words, value, after=unit)

    def _same(self, value: Any) -> Said:
        return Said(str(value), value)

    def _unit(self, values: Sequence[float], units: Sequence[str]) -> Said:
        value, unit = self._draw.choice(values), self._draw.choice(units)
        words = str(value)
        if unit != "%" and isinstance(value, int) and value <= 12 and self._draw.random() < 0.3:
            words = NUMBER_WORDS[value]
        return Said(words, value, after=unit)

    def _count(self) -> Said:
        value = self._draw.choice((1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 50, 100))
        return Said(NUMBER_WORDS[value] if value <= 12 and self._draw.random() < 0.4 else str(value), value)

    def _money(self) -> Said:
        draw = self._draw
        value = draw.choice(
            (
                draw.randrange(5, 100),
                draw.randrange(50, 2000, 10),
                draw.randrange(1000, 500_000, 500),
                19.99,
                49.5,
            )
        )
        words = f"{value:,}" if value > 999 and draw.random() < 0.5 else str(value)
        if value >= 10_000 and value % 1000 == 0 and draw.random() < 0.2:
            words = f"{int(value) // 1000}{draw.choice(('k', ' thousand'))}"
        before, after = draw.choice(
            (("$", ""), ("$", ""), ("", " dollars"), ("", " USD"), ("", " euros"), ("", ""))
        )
        return Said(words, value, before, after)

    def _date(self) -> Said:
        draw = self._draw
        year, month, day = draw.randint(2019, 2026), draw.randint(1, 12), draw.randint(1, 28)
        iso, name = f"{year}-{month:02}-{day:02}", MONTHS[month - 1]
        ending = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
        form = draw.randrange(11)
        if form == 0:
            return self._same(iso)
        if form < 6:
            shapes = (
                f"{name} {day}, {year}",
                f"{day} {name} {year}",
                f"{name} {day}{ending}, {year}",
                f"{month}/{day}/{year}",
                f"the {day}{ending} of {name} {year}",
            )
            return Said(shapes[form - 1], iso)
        if form == 6:
            return self._same(f"{name} {day}{draw.choice((ending, ''))}")
        if form == 7:
            return self._same(draw.choice(("next ", "this ", "", "next ")) + draw.choice(_DAYS))
        return self._same(
            draw.choice(
                (
                    "today",
                    "tomorrow",
                    "tomorrow",
                    "this weekend",
                    "next week",
                    "the day after tomorrow",
                    "yesterday",
                    "tonight",
                    "next month",
                    "the 3rd",
                    "Christmas",
                )
            )
        )

    def _time(self) -> Said:
        draw = self._draw
        hour, minute = draw.randint(1, 23), draw.choice((0, 0, 0, 15, 30, 45))
        half = "pm" if hour >= 12 else "am"
        short = str((hour - 1) % 12 + 1)
        clock = f"{short}:{minute:02}" if minute else short
        shape = draw.choice(
            (
                f"{hour}:{minute:02}",
                f"{clock} {half}",
                f"{clock}{half}",
                f"{clock} {half.upper()}",
                f"{clock} o'clock" if not minute else f"{clock} {half}",
            )
        )
        if draw.random() < 0.1:
            return self._same(
                draw.choice(("noon", "midnight", "7 in the morning", "six in the evening", "half past nine"))
            )
        return Said(shape, shape if "o'clock" in shape else f"{hour:02}:{minute:02}")

    def _duration(self) -> Said:
        number = self._draw.choice((1, 2, 3, 5, 10, 15, 30, 45, 90))
        unit = self._draw.choice(("minutes", "hours", "days", "weeks", "months"))
        return self._same(f"{number} {unit.rstrip('s') if number == 1 else unit}")

    def _several(self, source: str) -> Said:
        lists = _SYMPTOMS if source == "symptom" else self._lists[source]
        items = self._draw.sample(list(lists), self._draw.choice((1, 2, 2, 3, 3, 4)))
        last = self._draw.choice((" and ", ", and ", " and ", ", "))
        return Said(last.join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else items[0], items)

    def _numbers(self) -> Said:
        draw = self._draw
        whole = draw.random() < 0.8
        items = [
            draw.randint(1, 100) if whole else round(draw.uniform(0, 50), 1)
            for _ in range(draw.randint(3, 7))
        ]
        words = (draw.choice((", ", ",", ", ", " "))).join(map(str, items))
        return Said(words, items, *draw.choice((("[", "]"), ("", ""), ("", ""), ("(", ")"))))

    def _currency(self) -> Said:
        code = self._draw.choice(sorted(_CURRENCIES))
        return Said(self._draw.choice(_CURRENCIES[code][:4]), code)

    def _state(self) -> Said:
        code = self._draw.choice(sorted(_STATES))
        return Said(self._draw.choice((_STATES[code], _STATES[code], code)), code)

    def _city_state(self) -> Said:
        city = self._draw.choice(sorted(_STATE_CITIES))
        code = _STATE_CITIES[city]
        words = self._draw.choice((f"{city}, {code}", f"{city}, {_STATES[code]}", city, f"{city} {code}"))
        return Said(words, f"{city}, {code}")

    def _condition(self) -> Said:
        field = self._draw.choice(self._lists["field"])
        return self._same(
            self._draw.choice(
                (
                    f"{field} > {self._draw.randint(1, 100)}",
                    f"{field} is greater than {self._draw.randint(1, 100)}",
                    f"{field} = 'active'",
                    f"{field} is below {self._draw.randint(1, 100)}",
                    "age > 25",
                )
            )
        )
