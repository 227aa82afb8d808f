"""What each rule of the filler makes of one sentence, without any model."""

# ruff: noqa: SIM905 - a table of words reads better as words

from __future__ import annotations

from datetime import date
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_agent.core.filling import fill
from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.labels import Labels
from router_agent.core.intents import Intent
from router_agent.models.reading import Reading, SlotReading, SpanReading
from tests.router_agent.core.tools_at_hand import STRING, tool

TODAY = date(2026, 3, 4)
NUMBER: dict[str, Any] = {"type": "number"}


def filled(said: str, properties: dict[str, Any], *, required: list[str] | None = None) -> dict[str, Any]:
    """Fill one tool, of which every parameter is required unless `required` says which are."""
    one = tool("do_it", "", properties, list(properties) if required is None else required)
    return fill(Intent.of(said, TODAY), one).arguments


def text(description: str) -> dict[str, Any]:
    """Describe a parameter that takes a text."""
    return {"type": "string", "description": description}


def pointing(said: str, *spans: tuple[str, float]) -> Reading:
    """Read one slot the way an encoder does that points at these words."""
    found = [SpanReading(said.index(one), said.index(one) + len(one), share) for one, share in spans]
    return Reading(0.9, (SlotReading(0.05, tuple(found), (1.0, 0.0, 0.0), ()),))


@pytest.mark.parametrize(
    ("said", "properties", "arguments"),
    [
        (
            "plays with Ada Quill written by Bo Marsh",
            {"written_by": STRING, "actor": STRING},
            {"written_by": "Bo Marsh", "actor": "Ada Quill"},
        ),
        (
            "tank pressure of 4 and a pump pressure of 7",
            {"pump_pressure": NUMBER, "tank_pressure": NUMBER},
            {"pump_pressure": 7, "tank_pressure": 4},
        ),
        (
            "for Zoe Brandt, whose badge id is K-77",
            {"badge_id": STRING, "guest": STRING},
            {"badge_id": "K-77", "guest": "Zoe Brandt"},
        ),
    ],
)
def test_a_value_behind_a_parameters_name_is_that_parameters(
    said: str, properties: dict[str, Any], arguments: dict[str, Any]
) -> None:
    assert filled(said, properties) == arguments


def test_what_a_kind_of_thing_is_named_after_is_no_value_of_its_name() -> None:
    said = "find a ferry, and I need the name of a harbour in Oslo"

    assert "name" not in filled(said, {"name": STRING, "city": STRING}, required=["city"])


@pytest.mark.parametrize(("tool_words", "is_label"), [(frozenset({"podcast"}), False), (frozenset(), True)])
def test_a_word_of_the_tools_own_name_labels_nothing_by_standing_there(
    tool_words: frozenset[str], is_label: bool
) -> None:
    intent = Intent.of("play the podcast Blue Lanterns")
    podcast = tool("play_podcast", "", {"podcast": STRING}).parameters
    found = Candidate("Blue Lanterns", 0.6, intent.text.index("Blue"), len(intent.text), "name")

    weighed = Labels(intent, podcast, tool_words).weighed(found, podcast[0])

    assert (weighed.score > found.score) == is_label


def test_a_name_that_ends_in_another_parameters_word_is_that_parameters() -> None:
    said = "standing of Red Harbour in Northern League"

    assert filled(said, {"club": STRING, "league": STRING}) == {
        "club": "Red Harbour",
        "league": "Northern League",
    }


def test_a_day_that_is_pointed_at_with_its_article_is_written_as_a_day() -> None:
    said = "any room on the 9th of may 2027"
    visit = tool("visit", "", {"date": text("The day, as YYYY-MM-DD")}, ["date"])

    arguments = fill(Intent.of(said, TODAY), visit, pointing(said, ("the 9th of may 2027", 0.95))).arguments

    assert arguments == {"date": "2027-05-09"}


@pytest.mark.parametrize(
    ("layouts", "said", "written"),
    [
        ("'YYYY-MM-DD HH:MM:SS' or 'HH:MM:SS' or 'HH:MM'", "at 7 PM", "19:00"),
        ("'HH:MM' or 'HH:MM:SS'", "at 19:30:15", "19:30:15"),
        ("'HH:MM AM/PM'", "at 19:30", "07:30 PM"),
        ("'HH:MM:SS'", "at 7 PM", "19:00:00"),
    ],
)
def test_of_several_layouts_a_time_takes_the_one_that_is_as_precise_as_it_was_said(
    layouts: str, said: str, written: str
) -> None:
    assert filled(f"ring {said}", {"time": text(f"When to ring, as {layouts}")}) == {"time": written}


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("on June 2nd of next year", "2027-06-02"),
        ("on June 2nd next year? today is 2020.5.1", "2021-06-02"),
        ("tomorrow. Today is 2024-02-28", "2024-02-29"),
    ],
)
def test_a_day_is_reckoned_from_the_year_and_the_today_that_are_said(said: str, day: str) -> None:
    assert filled(f"a boat {said}", {"date": text("The day, as YYYY-MM-DD")}) == {"date": day}


@pytest.mark.parametrize(
    ("description", "value"),
    [
        ("The yearly rate as a decimal, so 8% is 0.08", 0.04),
        ("The yearly rate in percent", 4),
        ("The yearly rate", 0.04),
        ("The yearly rate, such as 3.5", 4),
    ],
)
def test_a_percentage_is_a_fraction_where_the_description_wants_one(description: str, value: float) -> None:
    assert filled("a loan at 4%", {"rate": {**NUMBER, "description": description}}) == {"rate": value}


def test_a_bound_is_known_through_the_letter_that_is_set_to_it() -> None:
    ends = {"to_t": NUMBER, "from_t": NUMBER}

    assert filled("from t = -4 to t = 9", ends) == {"from_t": -4, "to_t": 9}


CITY_AND_STATE = text("The place in the format 'City, State'")


@pytest.mark.parametrize(
    ("said", "place", "written"),
    [
        ("rain in Ashford, OR", text("The name of the town"), "Ashford"),
        ("rain in Ashford, OR", text("The town, such as 'Reno, NV'"), "Ashford, OR"),
        ("rain in Ashford, Oregon", text("The town, such as 'Reno, NV'"), "Ashford, OR"),
        ("rain in Ashford, Oregon", CITY_AND_STATE, "Ashford, Oregon"),
        ("rain in Ashford in Oregon", CITY_AND_STATE, "Ashford, Oregon"),
        ("rain in Naples, Florida", text("'City, State', or 'City, Country' abroad"), "Naples, Florida"),
        ("rain in Lyon", CITY_AND_STATE, "Lyon"),
        ("rain in Lyon", text("As 'City, Country'"), "Lyon, France"),
    ],
)
def test_a_town_has_what_it_lies_in_where_the_description_shows_that(
    said: str, place: dict[str, Any], written: str
) -> None:
    assert filled(said, {"city": place}) == {"city": written}


def test_a_town_and_its_country_are_two_values_where_there_are_two_parameters() -> None:
    where = {"country": text("The country"), "city": text("Which town")}

    assert filled("tides in Porto, Portugal", where) == {"city": "Porto", "country": "Portugal"}


def test_an_address_is_taken_whole() -> None:
    said = "a van to Blue Door Bakery, 12 Mill Street, Ashford, please"
    goal = {"destination": text("The street and town to go to")}

    assert filled(said, goal) == {"destination": "12 Mill Street, Ashford"}


def test_a_country_that_is_known_goes_before_other_names() -> None:
    said = "a treaty between Lumen and Ostro signed in USA"

    assert filled(said, {"country": STRING, "party1": STRING, "party2": STRING}) == {
        "country": "USA",
        "party1": "Lumen",
        "party2": "Ostro",
    }


@pytest.mark.parametrize(
    ("said", "description", "value"),
    [
        ("a detail view of my lamps", "How much to tell: can be 'brief' or 'detailed'", "detailed"),
        ("an oil-burning heater", "The fuel, e.g. gas, oil, wood", "oil"),
        ("paint for my sun rooms", "Where, such as 'Sun room' or 'Attic'", "Sun room"),
    ],
)
def test_what_a_description_shows_as_a_value_is_one_where_it_is_said(
    said: str, description: str, value: str
) -> None:
    assert filled(said, {"kind": text(description)}, required=[]) == {"kind": value}


@pytest.mark.parametrize("said", ["lamps by Oil Brothers", "the kind of lamp"])
def test_what_a_description_shows_is_no_value_within_a_name_or_as_anothers_word(said: str) -> None:
    properties = {"fuel": text("The fuel, such as 'oil' or 'lamp'"), "lamp": STRING}

    assert "fuel" not in filled(said, properties, required=[])


def test_a_list_takes_all_that_its_description_shows_and_the_intent_says() -> None:
    diets = {"type": "array", "items": STRING, "description": "Diets, such as vegan, halal, keto"}
    menu = tool("menu", "", {"diets": diets}, [])
    said = "a halal menu with keto bread"

    assert fill(Intent.of(said), menu, pointing(said, ("menu", 0.1))).arguments == {
        "diets": ["halal", "keto"]
    }


@pytest.mark.parametrize(
    ("said", "name", "description", "unit"),
    [
        ("a disc with a radius of 4 inches", "unit", "Unit of the radius", "inches"),
        ("a board of 6cm by 10cm", "unit", "Unit of length", "cm"),
        ("a board of 6 centimeters", "unit", "Unit of length: 'cm' or 'mm'", "cm"),
        ("how fast it went, in km/h, over 90 meters", "to_unit", "Unit of the result", "km/h"),
        ("5 kg on 2 meters", "unit", "The unit", None),
        ("5 kg of sand", "unit", "The unit, such as kg/m³", None),
        ("a table for 4 people", "unit", "The unit", None),
    ],
)
def test_a_unit_beside_a_number_is_one_for_a_parameter_that_asks_for_it(
    said: str, name: str, description: str, unit: str | None
) -> None:
    assert filled(said, {name: text(description)}, required=[]).get(name) == unit


def test_an_address_has_as_many_parts_as_its_layout_shows() -> None:
    goal = {"destination": text("Where to, as 'Street, City'")}

    assert filled("a van to 12 Mill Street, Ashford, OR", goal) == {"destination": "12 Mill Street, Ashford"}


def test_an_airports_code_goes_before_the_town_it_lies_in() -> None:
    ends = {"to_airport": text("The IATA code of the airport"), "from_airport": text("The IATA code")}

    assert filled("from OSL in Oslo to RIX in Riga", ends) == {"from_airport": "OSL", "to_airport": "RIX"}


def test_a_word_that_only_announces_a_value_is_none() -> None:
    assert filled("run it with different settings", {"settings": STRING}, required=[]) == {}
    assert filled("sort the given data pets_2", {"data": STRING}) == {"data": "pets_2"}


def test_a_word_that_is_shown_may_belong_to_a_longer_value_too() -> None:
    properties = {"dish": STRING, "diet": text("The diet, such as vegan or halal")}

    assert filled('cook "vegan lentil soup"', properties) == {"dish": "vegan lentil soup", "diet": "vegan"}


@pytest.mark.parametrize("said", ["from 1990 to 1995", "between 1990 and 1995", "1990 – 1995"])
def test_a_range_has_both_its_ends(said: str) -> None:
    years = {"type": "array", "items": {"type": "integer"}}

    assert filled(f"coins minted {said}", {"year_range": years}) == {"year_range": [1990, 1995]}


def test_choices_share_no_word_that_stands_in_one_of_them() -> None:
    tables = {"type": "array", "items": {"type": "string", "enum": ["oak tables", "elm tables"]}}

    assert filled("an oak shop with elm tables", {"tables": tables}) == {"tables": ["elm tables"]}


@pytest.mark.parametrize(
    ("said", "name", "value"),
    [
        ("a non-heated room", "heated", False),
        ("a room with few windows", "has_windows", False),
        ("a room with a few windows", "has_windows", True),
        ("rooms with no cleaning fee", "cleaning_free", True),
        ("rooms with free cleaning", "cleaning_free", True),
    ],
)
def test_a_boolean_knows_what_is_denied_and_what_its_own_name_denies(
    said: str, name: str, value: bool
) -> None:
    assert filled(said, {name: {"type": "boolean"}}) == {name: value}


def test_a_part_of_a_number_with_strokes_is_no_value_of_its_own() -> None:
    assert filled("the docket called 2021/QX77", {"docket": STRING}) == {"docket": "2021/QX77"}


def test_an_ordinal_counts_from_nought_where_the_description_does() -> None:
    index = {"type": "integer", "description": "Zero-based index of the lamp"}

    assert filled("turn the third lamp on", {"index": index}) == {"index": 2}


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("a three-star inn", "3"),
        ("an inn with a star rating of 4", "4"),
        ("any star rating will do", "dontcare"),
    ],
)
def test_a_choice_that_is_a_number_is_known_as_one_and_any_as_any(said: str, value: str) -> None:
    rating = {"type": "string", "enum": ["1", "2", "3", "4", "5", "dontcare"]}

    assert filled(said, {"star_rating": rating}, required=[]) == {"star_rating": value}


def test_a_year_among_choices_needs_no_word_for_it() -> None:
    year = {"type": "string", "enum": ["2017", "2018", "dontcare"]}

    assert filled("a record from 2018", {"release": year}, required=[]) == {"release": "2018"}


@pytest.mark.parametrize(
    "said",
    ["with base and height as 6cm and 10cm", "whose height and base are 10 and 6", "base 6, height 10"],
)
def test_names_in_a_row_are_paired_with_the_numbers_in_a_row_behind_them(said: str) -> None:
    assert filled(f"a ramp {said}", {"height": NUMBER, "base": NUMBER}) == {"base": 6, "height": 10}


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ("a garden of 30 feet by 12 feet", {"length": 30, "width": 12}),
        ("a garden with a width of 30 feet by 12 feet", {"length": 12, "width": 30}),
    ],
)
def test_a_size_is_given_in_the_tools_order_unless_a_part_of_it_is_named(
    said: str, arguments: dict[str, Any]
) -> None:
    assert filled(said, {"length": NUMBER, "width": NUMBER}) == arguments


def test_a_tools_own_word_at_the_end_is_no_part_of_a_value() -> None:
    lawyer = tool("find_cases", "", {"kind": text("What it is about")}, ["kind"])

    assert fill(Intent.of("cases on tax cases"), lawyer).arguments == {"kind": "tax"}


def test_a_list_goes_on_over_what_was_pointed_at() -> None:
    people = tool("invite", "", {"people": {"type": "array", "items": STRING}}, ["people"])
    said = "have Ada, Bo and Cleo and some cake"

    assert fill(Intent.of(said), people, pointing(said, ("Ada", 0.9))).arguments == {
        "people": ["Ada", "Bo", "Cleo"]
    }


def test_what_is_said_to_be_something_is_that_parameters_value() -> None:
    said = "a shelf with Elm as the wood, by Ada Quill"

    assert filled(said, {"builder": STRING, "wood": STRING}) == {"builder": "Ada Quill", "wood": "Elm"}


def test_two_days_are_one_value_where_the_description_shows_two() -> None:
    when = text("The days, as 'YYYY-MM-DD to YYYY-MM-DD'")

    assert filled("fairs from May 2 to May 9, 2027", {"date_range": when}) == {
        "date_range": "2027-05-02 to 2027-05-09"
    }


def test_a_way_back_has_the_day_that_is_said_for_it() -> None:
    days = {"return_date": text("YYYY-MM-DD"), "departure_date": text("YYYY-MM-DD")}

    assert filled("leaving on May 2, 2027 and back on the 9th of May", days) == {
        "departure_date": "2027-05-02",
        "return_date": "2027-05-09",
    }


def test_a_town_by_its_capitals_is_written_out_with_its_state() -> None:
    assert filled("rain in LA", {"city": text("As 'City, State', such as 'Reno, NV'")}) == {
        "city": "Los Angeles, CA"
    }


def test_one_example_is_enough_to_show_a_value() -> None:
    assert filled("an old pottery show", {"craft": text("The craft e.g., pottery.")}, required=[]) == {
        "craft": "pottery"
    }


def test_children_are_kids_to_a_boolean() -> None:
    park = {"made_for_kids": {"type": "boolean"}}

    assert filled("a park that is made for children", park) == {"made_for_kids": True}


@pytest.mark.parametrize(
    "said", ["today is 9999-12-31, ring me tomorrow", "today is 0001-01-01, and yesterday"]
)
def test_a_today_at_the_end_of_the_calendar_is_none(said: str) -> None:
    ring = filled(said, {"date": text("The day, as YYYY-MM-DD")})

    assert ring["date"] in {"2026-03-03", "2026-03-04", "2026-03-05", "9999-12-31", "0001-01-01"}


@pytest.mark.parametrize("said", ["0000-05-05", "May 0", "2026-00-05"])
def test_no_year_month_or_day_is_nought(said: str) -> None:
    assert filled(f"a boat on {said}", {"date": text("YYYY-MM-DD")}, required=[]) == {}


def test_next_years_things_are_not_in_next_year() -> None:
    said = "a talk on June 2 next year's tides"

    assert filled(said, {"date": text("The day, as YYYY-MM-DD")}) == {"date": "2026-06-02"}


@pytest.mark.parametrize(
    "said", ["a non-smoking hut", "a hut where smoking is not allowed", "a no smoking hut"]
)
def test_what_a_name_denies_is_true_however_it_is_denied(said: str) -> None:
    assert filled(said, {"non_smoking": {"type": "boolean"}}) == {"non_smoking": True}


def test_what_is_shown_and_denied_is_no_value() -> None:
    diets = {"type": "array", "items": STRING, "description": "Diets, such as vegan, halal, keto"}

    assert filled("a vegan and halal menu, no keto", {"diets": diets}) == {"diets": ["vegan", "halal"]}


def test_what_is_shown_and_said_twice_is_in_a_list_once() -> None:
    diets = {"type": "array", "items": STRING, "description": "Diets, such as vegan, halal, keto"}

    assert filled("vegan soup with vegan bread", {"diets": diets}) == {"diets": ["vegan"]}


def test_a_thing_is_no_label_of_the_hour_by_which_it_is_done() -> None:
    assert filled("finish 5 chores by 6", {"hour": NUMBER, "chores": NUMBER}) == {"hour": 6, "chores": 5}


def test_by_is_no_size_where_no_parameter_is_one() -> None:
    assert filled("raise 500 by 20", {"by": NUMBER, "amount": NUMBER}) == {"by": 20, "amount": 500}


def test_a_town_in_a_state_that_is_said_is_in_no_other() -> None:
    where = text("City, State, e.g. 'Reno, NV'")

    assert filled("rain in Portland in Maine", {"location": where}) == {"location": "Portland, ME"}


def test_a_strangers_long_names_cost_no_more_than_short_ones() -> None:
    # every end of such a name was looked for from each of its first words on: over 20 s for one tool
    names = {"_".join(["a"] * 60) + f"_p{number}": STRING for number in range(128)}
    said, asked = Intent.of("a " * 2_000), tool("do_it", "", names, []).parameters
    begun = process_time()

    Labels(said, asked, frozenset())

    assert process_time() - begun < 2.0


@pytest.mark.parametrize("name", ["_", "__", "\u0130"])
def test_a_name_without_a_word_labels_nothing(name: str) -> None:
    assert filled("7 lamps", {name: NUMBER}) == {name: 7}


_SAID = st.lists(
    st.sampled_from(
        "a the of to from in by as and not no any 5 2nd 4% $5 1e400 0 ² ٣ today is 9999-12-31 0000-05-05 "
        "May next year's tomorrow noon 25:61 LA Paris, Texas Maine 12 Mill Street, kg km/h m³ 'ab' [1,2] "
        "a@b.c A-77 where saying: range usd don't care un- few İ ﬁ 你好 name: height base 2020/B7".split()
    ),
    max_size=20,
).map(" ".join)
_SCHEMA = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["string", "number", "integer", "boolean", "array", "object"]),
        "description": st.sampled_from(
            [
                "",
                "City, State such as 'Reno, NV'",
                "YYYY-MM-DD to YYYY-MM-DD",
                "such as vegan, ab",
                "Unit 'C' or kg/m³",
            ]
        ),
    },
    optional={"enum": st.sampled_from([["1", "any"], [1, 2.5, None], [True], [{"a": 1}], ["²", "٣"]])},
)
_NAMES = st.sampled_from(
    "_ İ name city state base height unit date range free_entry ids message filter".split()
)


@given(_SAID | st.text(max_size=60), st.dictionaries(_NAMES, _SCHEMA, max_size=4))
def test_whatever_is_said_and_asked_for_values_stand_in_the_intent(
    said: str, properties: dict[str, Any]
) -> None:
    intent = Intent.of(said, TODAY)

    found = fill(intent, tool("do_it", "", properties, list(properties)))

    assert all(one.start == -1 or 0 <= one.start <= one.end <= len(intent.text) for one in found.evidence)


SERVICE: dict[str, Any] = {
    "type": "integer",
    "description": "E.g. 1 for cleaning service, 2 for an ironing service, 3 for extensive cleaning service.",
}
REGION: dict[str, Any] = {
    "type": "integer",
    "description": "Id: '1' represents Porto, '2' represents Vila Real and '3' represents Faro.",
}


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ("somebody for ironing in Vila Real", {"service_id": 2, "region": 2}),
        ("cleaning services in Faro, please", {"service_id": 1, "region": 3}),
        ("an extensive cleaning, in Porto", {"service_id": 3, "region": 1}),
        ("service 7 in region 9", {"service_id": 7, "region": 9}),
        ("ironing without cleaning, in Porto", {"service_id": 2, "region": 1}),
    ],
)
def test_a_number_stands_for_what_its_description_says(said: str, arguments: dict[str, Any]) -> None:
    assert filled(said, {"service_id": SERVICE, "region": REGION}) == arguments


def test_several_numbers_that_stand_for_something_make_a_list() -> None:
    services = SERVICE | {"type": "array", "items": {"type": "integer"}}

    assert filled("cleaning and ironing", {"services": services}) == {"services": [1, 2]}


def test_a_text_that_stands_for_something_is_a_text() -> None:
    assert filled("ironing", {"service_id": SERVICE | {"type": "string"}}) == {"service_id": "2"}


@pytest.mark.parametrize(
    "description",
    [
        "10 is the default and 20 is the maximum",
        "0 = off, 1 = on",
        "from 1 for the least",
        "Group 1 for short",
    ],
)
def test_a_number_that_stands_for_nothing_is_no_value(description: str) -> None:
    said = "the default, on Monday at the maximum, for short, the least"

    assert filled(said, {"level": {"type": "integer", "description": description}}, required=[]) == {}


@pytest.mark.parametrize(
    "said", ["find a provider in Faro", "show me providers", "who provides it? get me one"]
)
def test_what_somebody_wants_done_says_nothing_of_a_record(said: str) -> None:
    late = {"type": "boolean", "description": "Whether the provider has a record of late check-ins"}

    assert filled(said, {"has_late_check_in": late}, required=[]) == {}


def test_part_of_a_name_is_not_short_for_a_choice() -> None:
    city = {"type": "string", "enum": ["Bangkok", "Chiang Mai"]}

    assert filled("cleaners in Bang Kruai District", {"city": city}, required=[]) == {}


@pytest.mark.parametrize(
    ("said", "rating"),
    [
        ("a cook with a review score of 4.5, for 6 people", 4.5),
        ("for 6 people, a 5-star cook", 5),
        ("cooks rated at least 4.8 for 6", 4.8),
    ],
)
def test_stars_and_scores_are_a_rating(said: str, rating: float) -> None:
    assert filled(said, {"rating": NUMBER, "people": NUMBER}, required=[])["rating"] == rating
