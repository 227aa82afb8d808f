"""Participant ids and topic names (docs/protocol.md, Identity)."""

from __future__ import annotations

import pytest

from schemas import NameRefused, check_participant_id, check_topic, is_participant_id, is_topic
from tests.requirements import spec


@spec("mcpx identity participant ids")
@pytest.mark.parametrize("text", ["a", "robot-alpha", "ann@example.org", "A_b.C-9", "x" * 128, "ecosystem"])
def test_an_id_of_the_allowed_characters_is_one(text: str) -> None:
    assert check_participant_id(text) == text


@spec("mcpx identity participant ids", "mcpx identity system ids")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 129,
        "a b",
        "a:b",
        "a/b",
        "ä",
        "a\n",
        "system",
        "System-1",
        "SYSTEMATIC",
        "system:gateway",
        "a*",
    ],
)
def test_any_other_text_is_no_id(text: str) -> None:
    assert not is_participant_id(text)
    with pytest.raises(NameRefused, match="is no participant id"):
        check_participant_id(text)


@spec("mcpx identity topics")
@pytest.mark.parametrize("text", ["ops", "team/a", "a:b@c", "x" * 256, "...", "a..b"])
def test_a_topic_of_the_allowed_characters_is_one(text: str) -> None:
    assert check_topic(text) == text


@spec("mcpx identity topics", "mcpx identity topic segments")
@pytest.mark.parametrize(
    "text", ["", "x" * 257, "a b", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "ä", "a*", "a%2F"]
)
def test_any_other_text_is_no_topic(text: str) -> None:
    assert not is_topic(text)
    with pytest.raises(NameRefused, match="is no topic"):
        check_topic(text)
