"""What each rule of the filler makes of one sentence, without any model."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from router_agent.core.filling import fill
from router_agent.core.filling.candidates import Candidate
from router_agent.core.filling.labels import Labels
from router_agent.core.intents import Intent
from tests.router_agent.core.tools_at_hand import STRING, tool

TODAY = date(2026, 3, 4)
NUMBER: dict[str, Any] = {"type": "number"}


def filled(
    said: str, properties: dict[str, Any], *, name: str = "do_it", required: list[str] | None = None
) -> dict[str, Any]:
    """Fill one tool, of which every parameter is required unless `required` says which are."""
    one = tool(name, "", properties, list(properties) if required is None else required)
    return fill(Intent.of(said, TODAY), one).arguments


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
