"""What happened in a topic, as a line for a person."""

from __future__ import annotations

from participants.cli.timeline import json_of, line_of
from participants.conversation import Presence
from tests.participants.conversation_topic import TopicInMemory


def test_a_person_reads_of_a_newcomer_once_and_of_changes_of_what_one_may_do() -> None:
    topic = TopicInMemory()
    bob = topic.join("bob", "chat")
    ann = topic.join("ann", "chat")
    second = topic.join("ann", "chat")
    topic.promote(ann, "mcp/*", "chat")
    topic.leave(second)
    topic.leave(ann)

    said = [line_of(event, {}, "bob") for event in bob.all(Presence)]

    assert [line[0] for line in said if line is not None] == [
        "ann is here: chat",
        "ann may now: mcp/* chat",
        "ann left",
    ]


def test_a_script_can_tell_a_newcomer_from_one_more_connection() -> None:
    topic = TopicInMemory()
    bob = topic.join("bob", "chat")
    topic.join("ann", "chat")
    topic.join("ann", "chat")

    _, first, second = [json_of(event) for event in bob.all(Presence)]

    ann = {"id": "ann", "capabilities": ["chat"]}
    assert (first["change"], first["participant"], first["before"]) == ("join", ann, None)
    assert (second["change"], second["participant"], second["before"]) == ("join", ann, ann)
