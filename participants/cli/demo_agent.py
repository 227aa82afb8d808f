"""
The demonstration agent: it may propose, talk, and nothing else, until somebody promotes it.

Its code asks in one way only, `Participant.request`. Whether that becomes a
proposal or a direct request is decided by what it is allowed at that moment, so
the same lines show both sides of a promotion.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final

from capabilities import CapabilitySet
from participants.cli.tasks import until_first_ends
from participants.cli.timeline import result_text
from participants.cli.workspace import Draft, Errand
from participants.client import Disconnected, Participant, Reconnected
from participants.conversation import Chat, Outcome, Peer, Presence, Welcome
from participants.errors import ParticipantError, ProposalExpired, ProposalRejected, RequestFailed
from schemas import JsonObject, Kind, McpxError

AGAIN: Final = re.compile(r"\bagain\b", re.IGNORECASE)
"""The word in chat that makes it ask once more."""

_ANSWER_WITHIN_S: Final = 900.0
"""Longer than a proposal lives: people take their time."""
_LONGEST_REPORT: Final = 1500
"""Characters of a result that are repeated in chat."""

Teller = Callable[[str], None]
"""Takes one line for whoever started the agent."""


class DemoAgent:
    """
    Gets its errand done once, then again whenever it is told, or when its rights change.

    It takes orders only from who could do the errand themselves: otherwise, once
    it is promoted, anybody who may chat could act through it.
    """

    def __init__(self, me: Participant, server: str, errand: Errand, tell: Teller) -> None:
        self._me, self._server, self._errand, self._tell = me, server, errand, tell
        self._may_act = self._grants(me.capabilities)
        # Kept in the order of what is heard: who said something and left had its rights when it spoke.
        self._peers = dict(me.roster)
        # Opened before anything is awaited, so that nothing after the welcome is missed.
        self._events = me.events()
        self._wanted = asyncio.Event()
        self._rights_changed = asyncio.Event()
        self._roster_moved = asyncio.Event()

    async def run(self) -> None:
        """Take part until the connection ends for good, or the task is cancelled."""
        await until_first_ends(self._listen(), self._work())

    @property
    def may_act(self) -> bool:
        """Whether it needs nobody's consent now."""
        return self._may_act

    # What it hears

    async def _listen(self) -> None:
        async for event in self._events:
            match event:
                case Chat(sender=sender, text=text) if sender != self._me.id and AGAIN.search(text):
                    await self._take_order(sender, event.id)
                case Welcome(you=you, others=others):
                    self._peers = {peer.id: peer for peer in (you, *others)}
                    self._roster_moved.set()
                    if self._may_act != self._grants(you.capabilities):
                        self._may_act = not self._may_act
                        self._rights_changed.set()
                case Presence(event=change, peer=peer):
                    if change == "join":
                        self._peers[peer.id] = peer
                    else:
                        self._peers.pop(peer.id, None)
                    self._roster_moved.set()
                case Disconnected(final=False, code=code):
                    self._tell(f"disconnected ({code}), connecting again")
                case Reconnected():
                    self._tell("connected again")
                case _:
                    pass

    async def _take_order(self, sender: str, order: str) -> None:
        peer = self._peers.get(sender)
        if peer is not None and self._grants(peer.capabilities):
            self._wanted.set()
        else:
            await self._say(f"Sorry {sender}, I take that only from somebody who could do it.", about=order)

    def _grants(self, capabilities: CapabilitySet) -> bool:
        return capabilities.grants(Kind("mcp/request", "tools/call", self._errand.tool))

    # What it does

    async def _work(self) -> None:
        await self._wait_until(lambda: self._server in self._peers)
        await self._say(f'Hello, I am {self._me.id}. Write "again" and I do my errand again.')
        while True:
            self._wanted.clear()
            try:
                draft = await asyncio.to_thread(self._errand.draft)
            except (McpxError, OSError) as error:
                self._tell(f"could not prepare it: {error}")
                await self._say("I could not prepare my errand; whoever started me can see why.")
            else:
                while not await self._is_settled(draft):
                    pass
            await until_first_ends(_set(self._wanted), _set(self._rights_changed))

    async def _is_settled(self, draft: Draft) -> bool:
        """Ask for one thing; `False`: nobody decided, or rights changed meanwhile, so it is asked again."""
        self._rights_changed.clear()
        await self._say(
            f"I {draft.purpose}: I may call {draft.tool} myself."
            if self._may_act
            else f"I would like to {draft.purpose}. I may not call {draft.tool} myself, so I propose it."
        )
        asking = asyncio.create_task(self._ask(draft), name="demo-agent.ask")
        changing = asyncio.create_task(self._rights_changed.wait())
        try:
            await asyncio.wait({asking, changing}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                await self._say("My capabilities have just changed.")
                return False
        finally:
            # A request that is cancelled takes its proposal back: nobody can approve it any more.
            asking.cancel()
            changing.cancel()
            await asyncio.wait({asking, changing})
            if not asking.cancelled():
                asking.exception()  # looked at, so that nobody reports it as forgotten
        return await self._report(asking)

    async def _ask(self, draft: Draft) -> Outcome:
        params: JsonObject = {"name": draft.tool, "arguments": draft.arguments}
        return await self._me.request(self._server, "tools/call", params, timeout=_ANSWER_WITHIN_S)

    async def _report(self, asking: asyncio.Task[Outcome]) -> bool:
        try:
            outcome = asking.result()
        except ProposalRejected as error:
            await self._say(
                f"{error.by} said no ({error.reason}){': ' + error.message if error.message else '.'}"
            )
        except ProposalExpired:
            await self._say("Nobody decided in time. I ask again when somebody is here who can.")
            await self._wait_until(lambda: any(self._can_decide(peer) for peer in self._peers.values()))
            return False
        except RequestFailed as error:
            await self._say(f"{self._server} could not do it: {error.message}")
        except ParticipantError as error:
            self._tell(f"no answer: {error}")
            await self._wait_until(lambda: self._me.connected and self._server in self._peers)
            return False
        else:
            await self._say(report_of(outcome, self._me.id))
        return True

    def _can_decide(self, peer: Peer) -> bool:
        return peer.id != self._me.id and self._grants(peer.capabilities)

    async def _say(self, text: str, *, about: str | None = None) -> None:
        try:
            await self._me.chat(text, correlation_id=about)
        except ParticipantError as error:
            self._tell(f"could not say {text!r}: {error}")

    async def _wait_until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._roster_moved.clear()
            await self._roster_moved.wait()


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def report_of(outcome: Outcome, me: str) -> str:
    """Say what came of a call: who made it possible, whether it was changed, and the result's text."""
    consent = ""
    if outcome.fulfilled_by is not None and outcome.fulfilled_by != me:
        consent = f"{outcome.fulfilled_by} approved it{', with changes' if outcome.edited else ''}. "
    text = result_text(outcome.result)
    if len(text) > _LONGEST_REPORT:
        text = f"{text[:_LONGEST_REPORT]}… ({len(text)} characters)"
    verdict = "failed" if outcome.result.get("isError") else "answered"
    return f"{consent}{outcome.by} {verdict}: {text}"
