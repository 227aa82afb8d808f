"""Being connected to Redis, and being so again: one session after the other."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from gateway.broker.redis_limits import RedisTimes
from gateway.broker.redis_link import Address, LinkLost, Refused
from gateway.broker.redis_session import Keys, Session
from gateway.errors import BrokerUnavailable

log = structlog.get_logger("gateway.broker")

_PAUSES_S: Final = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Before each attempt to connect again; the last one from then on, so that we are back soon after Redis."""


class Connection:
    """
    The way to Redis, whichever session it leads over just now.

    `resume` is awaited with each new session before anybody else gets it,
    `away` called when it is lost.
    """

    def __init__(
        self,
        address: Address,
        keys: Keys,
        times: RedisTimes,
        *,
        on_message: Callable[[bytes, bytes], None],
        resume: Callable[[Session], Awaitable[None]],
        resumed: Callable[[Session], None],
        away: Callable[[], None],
    ) -> None:
        self.address = address
        self.session: Session | None = None
        """The present one, be it ready or about to be."""
        self.trouble: str | None = "not started"
        """Why the store cannot be used just now."""
        self.facts: dict[str, Any] = {}
        self._keys, self._times = keys, times
        self._on_message, self._resume, self._resumed, self._away = on_message, resume, resumed, away
        self._is_ready = asyncio.Event()
        self._name = ""
        self._keeping: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is a session and all that was heard before is heard again."""
        return self._is_ready.is_set()

    async def open(self, name: str) -> None:
        """
        Connect, and stay connected from now on.

        Raises:
            BrokerUnavailable: with the reason, for an operator.
        """
        self._name = name
        await self._begin_session()
        self._keeping = asyncio.create_task(self._keep(), name="broker.connection")

    async def close(self) -> None:
        """End the session."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        session, self.session = self.session, None
        self._is_ready.clear()
        self.trouble = "stopped"
        if session is not None:
            session.link.close()
            await session.link.ended.wait()

    def ready(self) -> Session:
        """
        Return the session.

        Raises:
            BrokerUnavailable: there is none.
        """
        if self.session is None or not self.is_ready:
            raise BrokerUnavailable(self.trouble or "it is being connected")
        return self.session

    async def ask_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]:
        """
        Carry out commands in this order; after a lost link once more, so each must bear that.

        Raises:
            BrokerUnavailable
        """
        for is_last in (False, True):
            session = self.ready()
            try:
                async with asyncio.timeout(self._times.answer * 2):
                    return await session.link.ask_all(commands)
            except LinkLost as error:
                if is_last:
                    raise BrokerUnavailable(str(error)) from error
            except (Refused, TimeoutError) as error:
                raise BrokerUnavailable(why(error)) from error
            await self._wait_ready()
        raise AssertionError("returned or raised")

    async def _wait_ready(self) -> None:
        # A link that was cut is back within milliseconds, if Redis is there.
        try:
            async with asyncio.timeout(self._times.queue / 2):
                await asyncio.sleep(0)  # whoever waits for the link's end comes first
                await self._is_ready.wait()
        except TimeoutError:
            raise BrokerUnavailable(self.trouble or "the link was lost") from None

    def note_trouble(self, text: str) -> None:
        """Redis answers, but does not do what it must."""
        if self.trouble != text:
            log.error(
                "broker.refused", why=text, next="senders hear topic_unavailable until it takes writes again"
            )
        self.trouble = text

    def clear_trouble(self) -> None:
        """It does again."""
        if self.trouble is not None and self.is_ready:
            log.info("broker.takes_writes_again", after=self.trouble)
            self.trouble = None

    async def _keep(self) -> None:
        while True:
            session = self.session
            assert session is not None, "one ends before the next begins"
            await session.link.ended.wait()
            self._end_session(session.link.why)
            log.warning(
                "broker.lost", address=str(self.address), why=session.link.why, next="connecting again"
            )
            await self._reconnect()

    def _end_session(self, why: str) -> None:
        self.session = None
        self._is_ready.clear()
        self.trouble = why
        self._away()

    async def _reconnect(self) -> None:
        said = ""
        for attempt in itertools.count():
            pause = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the nodes, hides nothing
            try:
                await self._begin_session()
            except BrokerUnavailable as error:
                self.trouble = error.why
                if error.why != said:
                    log.warning("broker.unreachable", why=error.why, next="trying on, up to every 0.4 s")
                    said = error.why
            else:
                log.info("broker.resumed", address=str(self.address), attempts=attempt + 1)
                return

    async def _begin_session(self) -> None:
        session = await Session.open(self.address, self._name, self._on_message, self._times.answer)
        try:
            async with asyncio.timeout(self._times.answer * 4):
                # A lack of rights should be known before anybody is let in, not at the first envelope.
                channel = self._keys.channel("")
                await session.link.ask_all(
                    [["SUBSCRIBE", channel], ["PUBLISH", channel, ""], ["UNSUBSCRIBE", channel]]
                )
                self.session, self.facts = session, session.facts
                await self._resume(session)
            if session.link.ended.is_set():
                raise LinkLost(session.link.why)
        except BaseException as error:
            session.link.abort("it was given up")
            self._end_session(why(error))
            if isinstance(error, LinkLost | Refused | TimeoutError):
                raise BrokerUnavailable(f"Redis at {self.address}: {why(error)}") from error
            raise
        self.trouble = None
        self._is_ready.set()
        self._resumed(session)


def why(error: BaseException) -> str:
    """Say what went wrong, a timeout too."""
    return "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
