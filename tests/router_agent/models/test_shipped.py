"""The encoder that ships: small, and of use on tools that it has never seen."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import pytest

from router_agent.models import Slot, ToolPage
from router_agent.models.encoder import SHIPPED, LlamaEncoder


@pytest.fixture(scope="module")
def shipped() -> Iterator[LlamaEncoder]:
    found = LlamaEncoder(threads=1)
    yield found
    found.close()


def test_the_shipped_file_is_small() -> None:
    assert len((files("router_agent.models") / SHIPPED).read_bytes()) <= 15_000_000


def test_the_shipped_encoder_points_at_what_was_said(shipped: LlamaEncoder) -> None:
    tool = ToolPage(
        "get_weather",
        "Get the weather forecast",
        (
            Slot("city", "string", "Name of the city"),
            Slot("days", "integer", "Number of days"),
            Slot("email", "string", "Email address"),
        ),
    )
    intent = "what's the weather in Lisbon for the next 3 days?"

    (reading,) = shipped.read(intent, [tool])

    city, days, email = reading.slots
    assert intent[city.spans[0].start : city.spans[0].end] == "Lisbon"
    assert "3" in [intent[span.start : span.end] for span in days.spans]
    assert email.absent > 0.5 > max(city.absent, days.absent)


def test_the_shipped_encoder_finds_the_tool_that_no_word_gives_away(shipped: LlamaEncoder) -> None:
    purposes = (
        "Get the weather forecast of a city",
        "Send an email to somebody",
        "Play music: songs, artists or playlists",
        "Convert an amount of money between currencies",
        "Set an alarm",
    )
    for number, intent in enumerate(
        (
            "do I need an umbrella in Oslo tomorrow",
            "write to Anna that I am late",
            "put on something by Nina Simone",
            "how many yen are 40 euros",
            "wake me up at six",
        )
    ):
        near = shipped.nearness(intent, purposes)

        assert max(near) == near[number], intent


def test_the_shipped_encoder_knows_what_fits(shipped: LlamaEncoder) -> None:
    weather = ToolPage("get_weather", "Get the weather forecast of a city", (Slot("city", "string", "City"),))
    mail = ToolPage("send_email", "Send an email to somebody", (Slot("to", "string", "Recipient"),))

    right, wrong = shipped.read("will it rain in Oslo tomorrow", [weather, mail])
    near, far = shipped.nearness("will it rain in Oslo tomorrow", [weather.text, mail.text])

    assert right.relevance > wrong.relevance
    assert near > far
