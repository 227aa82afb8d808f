"""Being connected to one Redis server, and being so again: one session after the other."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from gateway.broker.redis_address import Address
from gateway.broker.redis_limits import RedisTimes
from gateway.broker.redis_link import LinkLost, Refused
from gateway.broker.redis_refusals import ELSEWHERE
from gateway.broker.redis_session import Hearing, Session
from gateway.errors import BrokerUnavailable

log = structlog.get_logger("gateway.broker")

_PAUSES_S: Final = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Before each attempt to connect again; the last one from then on, so that we are back soon after Redis."""


@dataclass(frozen=True, slots=True)
class User:
    """Who uses connections to Redis, and what it is told."""

    on_message: Callable[[bytes, bytes], None]
    on_dropped: Callable[[bytes], None]
    resume: Callable[[Connection, Session], Awaitable[None]]
    """Awaited with each new session before anybody else gets it."""
    resumed: Callable[[Connection, Session], None]
    away: Callable[[Connection], None]
    """The session is lost."""


class Connection:
    """The way to a server, whichever session it leads over just now."""

    def __init__(
        self,
        label: str,
        find: Callable[[], Awaitable[Address]],
        times: RedisTimes,
        user: User,
        probe: Callable[[], str],
        *,
        has_heirs: bool,
    ) -> None:
        """
        `find` says before each attempt where the server is, `probe` on which
        channel we hear ourselves; `has_heirs`: another may take over from it.
        """
        self.label = label
        """For logs."""
        self.session: Session | None = None
        """The present one, be it ready or about to be."""
        self.trouble: str | None = "not started"
        """Why the store cannot be used just now."""
        self.facts: dict[str, Any] = {}
        self._find, self._times, self._user, self._probe = find, times, user, probe
        self._has_heirs = has_heirs
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
        self.open_soon(name)

    def open_soon(self, name: str) -> None:
        """Connect when that is possible, and stay connected from then on."""
        self._name = name
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

    async def ask_each(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]:
        """
        Carry out commands in this order; after a lost link once more, so each must bear that.

        Error replies stand in their places as `hiredis.ReplyError`.

        Raises:
            BrokerUnavailable
        """
        for is_last in (False, True):
            session = self.ready()
            try:
                async with asyncio.timeout(self._times.answer * 2):
                    return await session.link.ask_each(commands)
            except LinkLost as error:
                if is_last:
                    raise BrokerUnavailable(str(error)) from error
            except TimeoutError as error:
                raise BrokerUnavailable(why(error)) from error
            await self.wait_ready()
        raise AssertionError("returned or raised")

    async def wait_ready(self) -> None:
        """
        Wait for a link that was cut: it is back within milliseconds, if Redis is there.

        Raises:
            BrokerUnavailable
        """
        try:
            async with asyncio.timeout(self._times.queue / 2):
                await asyncio.sleep(0)  # whoever waits for the link's end comes first
                await self._is_ready.wait()
        except TimeoutError:
            raise BrokerUnavailable(self.trouble or "the link was lost") from None

    def note_refusal(self, error: Refused) -> None:
        """Redis answers, but does not do what it must; perhaps another server does, or this one anew."""
        if self.trouble != str(error):
            log.error(
                "broker.refused",
                server=self.label,
                why=str(error),
                next="senders hear topic_unavailable until it takes writes again",
            )
        self.trouble = str(error)
        if error.word in ELSEWHERE and self.session is not None:
            self.session.link.abort(str(error))

    def clear_trouble(self) -> None:
        """It does again."""
        if self.trouble is not None and self.is_ready:
            log.info("broker.takes_writes_again", server=self.label, after=self.trouble)
            self.trouble = None

    async def _keep(self) -> None:
        while True:
            if self.session is None:
                await self._reconnect()
            session = self.session
            assert session is not None, "reconnecting ends with one"
            await session.link.ended.wait()
            self._end_session(session.link.why)
            log.warning("broker.lost", server=self.label, why=session.link.why, next="connecting again")

    def _end_session(self, why: str) -> None:
        self.session = None
        self._is_ready.clear()
        self.trouble = why
        self._user.away(self)

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
                    log.warning(
                        "broker.unreachable", server=self.label, why=error.why, next="trying on, every 0.4 s"
                    )
                    said = error.why
            except Exception as error:  # the edge of a task on which everything hangs
                if str(error) != said:
                    log.exception("broker.connection_failed", server=self.label, next="trying on")
                    said = str(error)
            else:
                log.info("broker.resumed", attempts=attempt + 1, **self.facts)
                return

    async def _begin_session(self) -> None:
        probe = self._probe()
        hearing = Hearing(self._user.on_message, self._dropped, probe)
        session = await Session.open(
            await self._find(), self._name, hearing, self._times.answer, has_heirs=self._has_heirs
        )
        try:
            async with asyncio.timeout(self._times.answer * 4):
                self.session, self.facts = session, session.facts
                await self._user.resume(self, session)
            if session.link.ended.is_set():
                raise LinkLost(session.link.why)
        except BaseException as error:
            session.link.abort("it was given up")
            self._end_session(why(error))
            if isinstance(error, LinkLost | Refused | TimeoutError):
                raise BrokerUnavailable(f"Redis at {self.label}: {why(error)}") from error
            raise
        self.trouble = None
        self._is_ready.set()
        self._user.resumed(self, session)

    def _dropped(self, channel: bytes) -> None:
        session = self.session
        if session is not None and channel == session.probe:
            session.link.abort("its slots went to another server")
        else:
            self._user.on_dropped(channel)


def why(error: BaseException) -> str:
    """Say what went wrong, a timeout too."""
    return "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
