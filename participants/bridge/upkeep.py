"""One server, kept up: started, met, and started again when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum

from mcp.shared.exceptions import MCPError

from participants.bridge.backoff import Backoff
from participants.bridge.child import Child, ChildCommand, running
from participants.bridge.errors import BridgeError, ChildNotMet, ChildNotStarted
from participants.bridge.log import log
from participants.bridge.session import ChildSession, Heard
from participants.eras import ServerFacts
from schemas import JsonObject


class State(StrEnum):
    """Whether a server can be asked now."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    ENDED = "ended"


class Upkeep:
    """Holds the session with the server that is up now, if one is."""

    def __init__(
        self,
        command: ChildCommand,
        *,
        client: JsonObject,
        heard: Heard,
        chance: Callable[[], float],
        backoff: Backoff | None = None,
    ) -> None:
        self._command, self._client, self._heard, self._chance = command, client, heard, chance
        self._backoff = backoff or Backoff()
        self.state = State.STARTING
        self.session: ChildSession | None = None
        """The session to ask; `None` while no server is up."""
        self.child: Child | None = None
        self.restarts = 0
        """Times that the server was started again."""
        self.retry_in_s = 0.0
        """Seconds from the server's end to its next start."""
        self.on_met: Callable[[ChildSession], Awaitable[None]] | None = None
        """Called with each new session before anybody else asks it."""

    @property
    def name(self) -> str:
        """The command, without path and arguments."""
        return self._command.name

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[ServerFacts]:
        """
        Keep the server up for as long as the block lasts; yields what it said of itself.

        Raises:
            ChildNotStarted: it cannot be run, or ended at once: the first start is not repeated.
            ChildNotMet: it is no MCP server.
        """
        first: asyncio.Future[ServerFacts] = asyncio.get_running_loop().create_future()
        keeping = asyncio.create_task(self._keep(first), name="bridge.upkeep")
        try:
            yield await first
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            self.state = State.ENDED

    async def _keep(self, first: asyncio.Future[ServerFacts]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            up_s = 0.0
            try:
                async with self._up() as session:
                    met = loop.time()
                    if first.done():
                        self.restarts += 1
                    if self.on_met is not None:
                        await self.on_met(session)
                    self._is_ready(session)
                    if not first.done():
                        first.set_result(session.facts)
                    try:
                        await session.wait_over()
                    finally:
                        self.session = None
                        self.state = State.RESTARTING
                        up_s = loop.time() - met
            except BridgeError as error:
                if not first.done():
                    first.set_exception(error)
                    return
                log.warning("child.not_restarted", command=self.name, why=str(error))
            except asyncio.CancelledError:
                first.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the next start may go well
                if not first.done():
                    first.set_exception(error)
                    return
                log.exception("child.not_restarted", command=self.name)
            self._backoff = self._backoff.after_end(up_s)
            self.retry_in_s = self._backoff.wait_s(self._chance())
            log.warning(
                "child.ended",
                command=self.name,
                status=None if self.child is None else self.child.status,
                up_s=round(loop.time() - started, 1),
                restart_in_s=round(self.retry_in_s, 2),
            )
            await asyncio.sleep(self.retry_in_s)

    @asynccontextmanager
    async def _up(self) -> AsyncGenerator[ChildSession]:
        async with AsyncExitStack() as stack:
            child = self.child = await stack.enter_async_context(running(self._command))
            session = await stack.enter_async_context(
                ChildSession.over(child, client=self._client, heard=self._heard)
            )
            try:
                await session.meet()
            except MCPError as error:
                if not session.is_over:
                    raise ChildNotMet(self.name, error.message, tuple(child.last_words)) from error
                await stack.aclose()  # the status and the last words are known when it is gone
                status = f"it ended with status {child.status}"
                raise ChildNotStarted(self.name, status, tuple(child.last_words)) from error
            yield session

    def _is_ready(self, session: ChildSession) -> None:
        self.session, self.state = session, State.READY
        log.info(
            "child.started" if self.restarts == 0 else "child.restarted",
            command=self.name,
            pid=None if self.child is None else self.child.pid,
            server=session.facts.name,
            version=session.facts.version,
        )
