"""Keeps the directory of tools true: lists are asked for on join and on change, and forgotten on leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from participants import (
    ClientEvent,
    Disconnected,
    EventsDropped,
    NotificationSeen,
    Participant,
    ParticipantError,
    Peer,
    Presence,
    Welcome,
)
from router_agent.core.directory import MOST_EACH, Directory
from schemas import Kind

_log: Final = logging.getLogger(__name__)

LIST_CHANGED: Final = "notifications/tools/list_changed"
ANSWER_WITHIN_S: Final = 10.0
BETWEEN_REFRESHES_S: Final = 1.0
"""A server that says all the time that its list changed is asked no more often than this."""
_MOST_PAGES: Final = 16
_ANSWERS: Final = Kind("mcp/response", "tools/list")


class Keeper:
    """Asks participants for their tools; one question at a time to each."""

    def __init__(self, me: Participant, directory: Directory, changed: Callable[[], None]) -> None:
        """`changed` is called after each answer."""
        self._me, self._directory, self._changed = me, directory, changed
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._not_before: dict[str, float] = {}
        """When each may be asked next, by the loop's clock."""

    def hear(self, event: ClientEvent) -> None:
        """Take what happens in the topic; returns at once."""
        match event:
            case Welcome(others=others):
                self._met(others)
            case EventsDropped():
                self._met(self._me.roster.values())
            case Presence(event="leave", peer=peer):
                self._left(peer.id)
            case Presence(peer=peer) if peer.id not in self._directory:
                self._refresh(peer)
            case NotificationSeen(method=method, sender=sender) if method == LIST_CHANGED:
                if sender in self._me.roster:
                    self._refresh(self._me.roster[sender])
            case Disconnected(final=False):
                self._directory.clear()
                self._changed()
            case _:
                pass

    async def settled(self) -> None:
        """Return when no question is under way."""
        while self._asking:
            await asyncio.wait(set(self._asking.values()))

    async def close(self) -> None:
        """Ask nothing more."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        if asking:
            await asyncio.wait(asking)

    def _met(self, peers: Iterable[Peer]) -> None:
        """Ask all who are here, and forget who is not."""
        here = {peer.id: peer for peer in peers}
        for gone in ({*self._directory} | set(self._asking)) - set(here):
            self._left(gone)
        for peer in here.values():
            self._refresh(peer)

    def _left(self, peer_id: str) -> None:
        """Forget what one who left had offered."""
        self._again.discard(peer_id)
        self._not_before.pop(peer_id, None)
        asking = self._asking.pop(peer_id, None)
        if asking is not None:
            asking.cancel()
        self._directory.drop(peer_id)
        self._changed()

    def _refresh(self, peer: Peer) -> None:
        """Ask for a list, if an answer could come, after the question that is under way."""
        if peer.id == self._me.id or not peer.capabilities.grants(_ANSWERS):
            return
        if peer.id in self._asking:
            self._again.add(peer.id)
        else:
            self._asking[peer.id] = asyncio.create_task(self._ask(peer.id), name="router.tools")

    async def _ask(self, peer_id: str) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while True:
                await asyncio.sleep(max(0.0, self._not_before.get(peer_id, 0.0) - clock()))
                self._again.discard(peer_id)
                await self._asked(peer_id)
                self._not_before[peer_id] = clock() + BETWEEN_REFRESHES_S
                self._changed()
                if peer_id not in self._again:
                    return
        finally:
            if self._asking.get(peer_id) is asyncio.current_task():
                del self._asking[peer_id]

    async def _asked(self, peer_id: str) -> None:
        try:
            left_out = self._directory.replace(peer_id, await self._listed(peer_id))
        except ParticipantError as error:
            _log.debug("tools.not_listed", extra={"peer": peer_id, "why": str(error)})
            self._directory.drop(peer_id)
            return
        if left_out:
            _log.warning("tools.left_out", extra={"peer": peer_id, "count": left_out})

    async def _listed(self, peer_id: str) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            params = {"cursor": cursor} if cursor else {}
            outcome = await self._me.request(
                peer_id, "tools/list", params, timeout=ANSWER_WITHIN_S, mode="request"
            )
            page = outcome.result.get("tools")
            tools += [one for one in page if isinstance(one, dict)] if isinstance(page, list) else []
            following = outcome.result.get("nextCursor")
            if not isinstance(following, str) or following == cursor or len(tools) > MOST_EACH:
                break
            cursor = following
        return tools
