"""The specification's own examples, as everyone in its story hears them (MCPx 3.1 to 3.5)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from participants.conversation import (
    CancelServing,
    Chat,
    Conversation,
    Effect,
    ErrorHeard,
    Event,
    FulfillmentSeen,
    Misbehaved,
    Presence,
    ProposalSeen,
    RequestSeen,
    ResponseSeen,
    Serve,
    Welcome,
)
from tests.participants.conversation_topic import START
from tests.requirements import spec
from tests.spec_examples import ENVELOPES

STORY = {
    "untrusted-agent": ["mcp/proposal:*", "mcp/response:*", "chat"],
    "human-user": ["mcp/*", "chat"],
    "target-agent": ["mcp/response:*"],
    "trusted-agent": ["mcp/request:*"],
}


def entered(id: str) -> Conversation:
    """A conversation of one of the story's people, after its welcome."""
    conversation = Conversation("story", new_id=lambda: "unused")
    others = [{"id": name, "capabilities": held} for name, held in STORY.items() if name != id]
    payload = {"you": {"id": id, "capabilities": STORY.get(id, [])}, "participants": others}
    welcome = {**ENVELOPES["3.5.1 welcome"], "id": "welcome", "to": [id], "payload": payload}
    conversation.receive(orjson.dumps(welcome), START)
    return conversation


def hear(conversation: Conversation, *names: str) -> list[Event | Effect]:
    steps: list[Event | Effect] = []
    for name in names:
        steps += conversation.receive(orjson.dumps(ENVELOPES[name]), START)
    return steps


@spec("MCPx 3.2.1 response to both", "MCPx 3.1.2 responses carry correlation_id")
@pytest.mark.parametrize("listener", STORY)
def test_the_story_of_the_fulfilled_proposal_is_understood_by_everyone_in_it(listener: str) -> None:
    steps = hear(entered(listener), "3.2 proposal", "3.2.1 fulfillment", "3.2.1 response to both")

    # The target hears its own answer, which this conversation did not say: another connection of it did.
    events = [step for step in steps if not isinstance(step, Serve | CancelServing)]
    assert [type(event) for event in events] == [ProposalSeen, FulfillmentSeen, ResponseSeen]
    fulfillment, response = events[1], events[2]
    assert isinstance(fulfillment, FulfillmentSeen)
    assert (fulfillment.effective, fulfillment.edited) == (True, False)
    assert isinstance(response, ResponseSeen)
    assert response.verified


@spec("MCPx 3.2.1 response to both")
def test_the_target_of_the_story_answers_human_and_agent() -> None:
    steps = hear(entered("target-agent"), "3.2 proposal", "3.2.1 fulfillment")

    (serve,) = [step for step in steps if isinstance(step, Serve)]
    assert serve.request.reply_to == ("human-user", "untrusted-agent")
    assert serve.request.rpc_id == 44


def test_the_direct_call_of_the_specification_is_served_and_answered() -> None:
    target = entered("target-agent")
    assert [type(step) for step in hear(target, "3.1.1 request")] == [RequestSeen, Serve]
    said = target.respond("env-call-1", ENVELOPES["3.1.2 response"]["payload"]["result"], START)

    assert said is not None
    answer: dict[str, Any] = orjson.loads(said.data)
    expected = ENVELOPES["3.1.2 response"]
    assert {name: answer[name] for name in ("from", "to", "kind", "correlation_id", "payload")} == {
        name: expected[name] for name in ("from", "to", "kind", "correlation_id", "payload")
    }


@pytest.mark.parametrize(
    ("name", "listener", "event"),
    [
        ("3.3 chat", "human-user", Chat),
        ("3.4 presence", "human-user", Presence),
        ("3.5.1 welcome", "new-participant", Welcome),
        ("3.5.2 capability violation", "violator", ErrorHeard),
    ],
)
def test_each_other_example_is_the_event_that_its_section_describes(
    name: str, listener: str, event: type[Any]
) -> None:
    (step,) = hear(entered(listener), name)

    assert isinstance(step, event)


def test_the_first_example_has_no_real_payload_and_so_is_refused_by_receivers() -> None:
    (step,) = hear(entered("human-user"), "3 message envelope")

    assert isinstance(step, Misbehaved)
