"""The router in a topic: hears intents, routes them by the tools that are there, and carries them out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

from capabilities import EMPTY, CapabilitySet
from participants import Approver, Chat, Participant, ParticipantError
from router_agent.asking import Questions, Utterance
from router_agent.authority import Way, in_view
from router_agent.core import Answer, Decision, Route, clean
from router_agent.core.clauses import is_wish
from router_agent.core.directory import Directory
from router_agent.core.explaining import explained, quoted, told
from router_agent.core.limits import Allowance
from router_agent.core.scanning import intents_in, wishes_in
from router_agent.core.untrusted import harmless
from router_agent.errors import IntentRefused
from router_agent.executing import Step, carry_out
from router_agent.keeping import Keeper
from router_agent.service import Service
from router_agent.thinking import Thinker

_log: Final = logging.getLogger(__name__)

WORKING_AT_ONCE: Final = 16
"""Messages in chat that are worked on at once; as many more are told to come again, further ones nothing."""
_BUSY: Final = "I am busy with others' wishes; say it again in a moment."


class RouterAgent:
    """
    One participant that turns plain words into calls, with the rights of who uttered them.

        agent = RouterAgent(me, Thinker(open_router()))
        async with me: await agent.run()
    """

    def __init__(
        self,
        me: Participant,
        thinker: Thinker,
        *,
        today: Callable[[], date] = date.today,
        allowance: Allowance | None = None,
        approver: Approver | None = None,
    ) -> None:
        """
        Made before the participant's block is entered, it misses nothing; `today` dates words.

        `approver` fulfills others' proposals by rules, as the same participant.
        """
        self._approver = approver
        self._me, self._thinker, self._today = me, thinker, today
        self._allowance = allowance or Allowance()
        self._directory = Directory()
        self._catalogue_changed = asyncio.Event()
        self._keeper = Keeper(me, self._directory, self._changed)
        self._questions = Questions()
        self._working: set[asyncio.Task[object]] = set()
        # Opened before anything is awaited, so that nothing after the welcome is missed.
        self._events = me.events()
        service = Service(self._route_for, self._execute_for, approver)
        me.on_request(service.answer)

    @property
    def directory(self) -> Directory:
        """The tools that are offered now."""
        return self._directory

    def _changed(self) -> None:
        """Tell who waits for tools, and have new ones read before they are wanted."""
        self._catalogue_changed.set()
        self._thinker.meet(self._directory.catalogue)

    async def wait_offered(self, *participants: str) -> None:
        """Return when each of these has told its tools; the caller bounds the wait."""
        while not all(one in self._directory for one in participants):
            self._catalogue_changed.clear()
            await self._catalogue_changed.wait()

    async def run(self) -> None:
        """Take part until the connection ends for good, or the task is cancelled."""
        try:
            async for event in self._events:
                if self._approver is not None:
                    self._approver.hear(event)
                self._keeper.hear(event)
                if isinstance(event, Chat) and event.sender != self._me.id:
                    self._hear(event)
        finally:
            for task in self._working:
                task.cancel()
            if self._working:
                await asyncio.wait(self._working)
            await self._keeper.close()
            if self._approver is not None:
                await self._approver.close()

    def _rights_of(self, asker: str) -> CapabilitySet:
        """What an asker holds now; one who is not here holds nothing."""
        peer = self._me.roster.get(asker)
        return peer.capabilities if peer is not None else EMPTY

    # Intents over MCP

    async def _route_for(self, asker: str, intent: str) -> dict[str, Any]:
        try:
            return told(await self._routed(asker, Utterance(intent)))
        except IntentRefused as refused:
            return {"error": {"type": refused.code, "message": refused.message}}

    async def _execute_for(self, asker: str, intent: str) -> dict[str, Any]:
        try:
            route = await self._routed(asker, Utterance(intent))
        except IntentRefused as refused:
            return {"error": {"type": refused.code, "message": refused.message}}
        steps = [
            step.told() async for step in carry_out(self._me, route, asker, partial(self._rights_of, asker))
        ]
        return {"route": told(route), "steps": steps}

    async def _routed(self, asker: str, wish: Utterance) -> Route:
        now = asyncio.get_running_loop().time()
        if not self._allowance.takes(asker, now):
            raise IntentRefused("rate_limited", "You ask too often; try again in a minute.")
        view = in_view(self._directory.catalogue, self._me.capabilities, self._rights_of(asker), asker)
        return await self._thinker.route(wish.intent, view, self._today(), wish.answers)

    # Intents in chat

    def _hear(self, chat: Chat) -> None:
        now = asyncio.get_running_loop().time()
        wishes = wishes_in(chat.text, chat.to, self._me.id)
        if self._questions.is_open(chat.sender, now) and self._is_answer(chat, wishes):
            answered = self._questions.answered(chat.sender, wishes[0] if wishes else chat.text, now)
            if answered is not None:
                self._start(chat, [answered])
                return
        self._start(chat, [Utterance(wish) for wish in wishes])

    def _start(self, chat: Chat, wishes: Sequence[Utterance | Route]) -> None:
        if not wishes:
            return
        if len(self._working) < WORKING_AT_ONCE:
            self._spawn(self._work(chat, wishes))
            return
        _log.warning("intent.refused", extra={"asker": chat.sender, "reason": "busy"})
        if len(self._working) < 2 * WORKING_AT_ONCE:
            self._spawn(self._say(chat, _BUSY))

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work, name="router.chat")
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    def _is_answer(self, chat: Chat, wishes: list[str]) -> bool:
        """Whether a message answers a question: said to the router, and no wish of its own."""
        if intents_in(chat.text):
            return False
        replies = self._questions.is_reply(chat.sender, chat.correlation_id)
        said = wishes[0] if wishes else (chat.text if replies else "")
        return bool(said) and not is_wish(said)

    async def _work(self, chat: Chat, wishes: Sequence[Utterance | Route]) -> None:
        try:
            for wish in wishes[:5]:
                await self._serve(chat, wish)
        except ParticipantError as error:
            _log.warning("intent.not_served", extra={"asker": chat.sender, "why": str(error)})
        except Exception:  # noqa: BLE001 - the edge of a task: one message's fault harms no other
            _log.exception("intent.failed", extra={"asker": chat.sender})

    async def _serve(self, chat: Chat, wish: Utterance | Route) -> None:
        answers = () if isinstance(wish, Route) else wish.answers
        try:
            route = wish if isinstance(wish, Route) else await self._routed(chat.sender, wish)
        except IntentRefused as refused:
            await self._say(chat, refused.message)
            return
        if route.decision is Decision.NONE:
            await self._say(chat, route.reason)
            return
        asks = route.decision is Decision.ASK
        if asks and route.first is None:
            await self._ask(chat, route, answers, f"{explained(route)}\n")
            return
        await self._say(chat, explained(route))
        done = True
        async for step in carry_out(self._me, route, chat.sender, partial(self._rights_of, chat.sender)):
            await self._say(chat, report_of(step, chat.sender))
            done = step.is_done
        if asks and done:
            await self._ask(chat, route, answers)

    async def _ask(self, chat: Chat, route: Route, answers: tuple[Answer, ...], before: str = "") -> None:
        how = f" Answer `{self._me.id}: yes` or `{self._me.id}: no`." if route.rest is not None else ""
        self._questions.ask(chat.sender, route, answers, asyncio.get_running_loop().time())
        message = await self._say(chat, f"{before}{harmless(clean(route.question))}{how}")
        if message is not None:
            self._questions.was_said(chat.sender, message)

    async def _say(self, about: Chat, text: str) -> str | None:
        """Answer in chat; who may not chat stays silent, and the call is made all the same."""
        try:
            return await self._me.chat(text, correlation_id=about.id, format="markdown")
        except ParticipantError as error:
            _log.debug("answer.not_said", extra={"why": str(error)})
            return None


def report_of(step: Step, asker: str) -> str:
    """Say what came of one call; a result is quoted as data, and nothing in it is an intent or an address."""
    name = f"→ {step.call.tool.participant}: {clean(step.call.tool.name)}"
    if step.way is Way.NEITHER:
        return harmless(f"{name}: neither {asker} nor I may ask for that.")
    if step.error is not None:
        return harmless(f"{name}: {clean(str(step.error))}")
    assert step.outcome is not None
    consent = ""
    if step.outcome.fulfilled_by is not None:
        changes = ", with changes" if step.outcome.edited else ""
        consent = f" ({step.outcome.fulfilled_by} approved it{changes})"
    verdict = "answered" if step.is_done else "failed"
    return harmless(f"{name} {verdict}{consent}:\n") + quoted(step.outcome.result)
