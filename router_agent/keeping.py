"""Keeps the directory of tools true: lists are asked for on join and on change, and forgotten on leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from participants import Participant, ParticipantError, Peer
from router_agent.core.directory import MOST_EACH, Directory
from schemas import Kind

_log: Final = logging.getLogger(__name__)

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

    def arrived(self, peer: Peer) -> None:
        """Ask a newcomer, if an answer could come."""
        if peer.id != self._me.id and peer.capabilities.grants(_ANSWERS):
            self.refresh(peer.id)

    def left(self, peer_id: str) -> None:
        """Forget what one who left had offered."""
        self._again.discard(peer_id)
        asking = self._asking.pop(peer_id, None)
        if asking is not None:
            asking.cancel()
        self._directory.drop(peer_id)
        self._changed()

    def refresh(self, peer_id: str) -> None:
        """Ask for a list, after the question that is under way."""
        if peer_id in self._asking:
            self._again.add(peer_id)
            return
        task = asyncio.create_task(self._ask(peer_id), name="router.tools")
        self._asking[peer_id] = task

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

    async def _ask(self, peer_id: str) -> None:
        try:
            tools = await self._listed(peer_id)
        except ParticipantError as error:
            _log.debug("tools.not_listed", extra={"peer": peer_id, "why": str(error)})
            self._directory.drop(peer_id)
        else:
            left_out = self._directory.replace(peer_id, tools)
            if left_out:
                _log.warning("tools.left_out", extra={"peer": peer_id, "count": left_out})
        self._changed()
        if peer_id in self._again:
            await asyncio.sleep(BETWEEN_REFRESHES_S)
            self._again.discard(peer_id)
            self._asking[peer_id] = asyncio.create_task(self._ask(peer_id), name="router.tools")
        elif self._asking.get(peer_id) is asyncio.current_task():
            del self._asking[peer_id]

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
