"""A topic with a server of tools and a router in it, and how to talk to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from participants import Chat, Participant, Request
from router_agent.agent import RouterAgent
from router_agent.core import Policy
from router_agent.core.limits import Allowance
from router_agent.thinking import Thinker
from tests.one_topic import OneTopic
from tests.router_agent.core.tools_at_hand import router, tool

SOON = 30
SEARCH = tool(
    "search_pages", "Search the web pages.", {"query": {"type": "string"}}, ["query"], readOnlyHint=True
)


class Server:
    """Offers tools and answers calls with one text; remembers what was done."""

    def __init__(self, *tools: Any, answer: str = "done") -> None:
        self.tools, self.text = list(tools), answer
        self.done: list[tuple[str, dict[str, Any]]] = []

    async def answer(self, request: Request) -> dict[str, Any]:
        if request.method == "tools/list":
            return {
                "tools": [
                    {
                        "name": one.name,
                        "description": one.description,
                        "inputSchema": one.schema,
                        "annotations": {"readOnlyHint": one.read_only, "destructiveHint": one.destructive},
                    }
                    for one in self.tools
                ]
            }
        self.done.append((request.params["name"], request.params["arguments"]))
        return {"content": [{"type": "text", "text": self.text}]}


@asynccontextmanager
async def routed(
    topic: OneTopic,
    server: Server,
    *rights: str,
    allowance: Allowance | None = None,
    policy: Policy | None = None,
) -> AsyncIterator[RouterAgent]:
    """A topic with a server called `tools` and a router."""
    async with asyncio.timeout(60), topic.joined("tools") as offering:
        offering.on_request(server.answer)
        me = Participant.connect(topic.gateway.url, topic.name, topic.token("router", *rights))
        thinker = Thinker(router(policy))
        agent = RouterAgent(me, thinker, today=lambda: date(2026, 3, 4), allowance=allowance)
        async with me:
            running = asyncio.create_task(agent.run())
            try:
                await agent.wait_offered("tools")
                yield agent
            finally:
                running.cancel()
                await asyncio.wait({running})
                thinker.close()


async def call(person: Participant, name: str, intent: str) -> dict[str, Any]:
    params = {"name": name, "arguments": {"intent": intent}}
    outcome = await person.request("router", "tools/call", params, timeout=SOON)
    told: dict[str, Any] = outcome.result["structuredContent"]
    return told


async def said_by(events: Any, sender: str) -> str:
    async for event in events:
        if isinstance(event, Chat) and event.sender == sender:
            return event.text
    raise AssertionError("the connection ended")
