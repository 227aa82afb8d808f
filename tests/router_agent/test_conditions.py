"""A condition in a real topic: what stands before it is done, and the rest when its asker says yes."""

from __future__ import annotations

from typing import Any

from participants import Participant, ProposalSeen
from router_agent.core import Policy
from tests.one_topic import OneTopic
from tests.router_agent.core.tools_at_hand import DELETE, WEATHER
from tests.router_agent.routed_topic import SEARCH, Server, call, routed, said_by

CONDITIONAL = "get the current weather of Oslo, and if it is sunny, search the web pages for 'picnic'"


async def asked(ann: Participant, intent: str) -> Any:
    """Say an intent, and return the events once the router asked about its condition."""
    events = ann.events()
    await ann.chat(f"router: {intent}")
    while "Should I go on" not in await said_by(events, "router"):
        pass
    return events


async def test_what_waited_is_done_when_its_asker_says_yes(topic: OneTopic) -> None:
    server = Server(WEATHER, SEARCH)
    async with routed(topic, server), topic.joined("ann") as ann:
        events = await asked(ann, CONDITIONAL)
        before = list(server.done)
        await ann.chat("router: yes")
        while len(server.done) < 2:
            await said_by(events, "router")

    assert before == [("weather.get_current", {"city": "Oslo"})]
    assert server.done[1:] == [("search_pages", {"query": "picnic"})]


async def test_what_waited_is_left_undone_when_its_asker_says_no(topic: OneTopic) -> None:
    server = Server(WEATHER, SEARCH)
    async with routed(topic, server), topic.joined("ann") as ann:
        events = await asked(ann, CONDITIONAL)
        await ann.chat("router: no, thanks")
        answer = await said_by(events, "router")

    assert answer == "Then it is left undone."
    assert len(server.done) == 1


async def test_nobody_else_says_yes_for_the_asker(topic: OneTopic) -> None:
    server = Server(WEATHER, SEARCH)
    async with routed(topic, server), topic.joined("ann") as ann, topic.joined("bob") as bob:
        events = await asked(ann, CONDITIONAL)
        await bob.chat("router: yes")
        await said_by(events, "router")

    assert len(server.done) == 1


async def test_a_yes_lends_no_rights(topic: OneTopic) -> None:
    server = Server(WEATHER, DELETE)
    rights = ("mcp/request:tools/call:weather.get_current", "mcp/proposal:tools/call:delete_file", "chat")
    async with routed(topic, server), topic.joined("bob", *rights) as bob:
        events = await asked(
            bob, "get the current weather of Oslo, and if it is sunny, delete the file notes/a.txt"
        )
        await bob.chat("router: yes")
        async for event in events:
            if isinstance(event, ProposalSeen):
                break

        assert (event.proposal.proposer, event.proposal.context) == ("router", "delete_file")
        assert event.proposal.params["_meta"]["mcpx.router/asker"] == "bob"
        assert [name for name, _ in server.done] == ["weather.get_current"]


async def test_a_program_gets_what_was_done_and_the_question(topic: OneTopic) -> None:
    server = Server(WEATHER, SEARCH)
    async with routed(topic, server), topic.joined("ann") as ann:
        told = await call(ann, "execute_intent", CONDITIONAL)

    assert [step["tool"] for step in told["steps"]] == ["weather.get_current"]
    assert "if it is sunny" in told["route"]["question"]
    assert server.done == [("weather.get_current", {"city": "Oslo"})]


async def test_a_yes_to_what_was_unsure_proposes_it(topic: OneTopic) -> None:
    server = Server(WEATHER)
    unsure = Policy(act=1.0, propose=1.0)
    async with routed(topic, server, policy=unsure), topic.joined("ann") as ann:
        events: Any = ann.events()
        await ann.chat("router: get the current weather of Oslo")
        while "Do you mean" not in await said_by(events, "router"):
            pass
        await ann.chat("router: yes")
        async for event in events:
            if isinstance(event, ProposalSeen):
                break

        assert event.proposal.context == "weather.get_current"
        assert server.done == []
