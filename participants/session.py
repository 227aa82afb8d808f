"""What a connection, a conversation and the coroutines that wait for them have to do with each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from participants.answering import Answering
from participants.conversation import (
    CallNotified,
    CallSettled,
    CancelServing,
    Conversation,
    Effect,
    Event,
    Outcome,
    Said,
    Send,
    Serve,
    Told,
    Welcome,
)
from participants.errors import Closed, ConnectionLost, RequestTimeout
from participants.link import Link
from participants.streams import Disconnected, Reconnected, Streams
from participants.waiting import Waiter
from schemas import CLOSE_REASONS, CloseCode, WithdrawReason

FLUSH_S: Final = 2.0
"""Seconds that closing waits for what is still to be written."""
WAKE_S: Final = 30.0
"""Seconds after which a timer looks at the clock again: the wall clock may be set."""


class Session:
    """Performs what the conversation decides, over a link."""

    def __init__(
        self, conversation: Conversation, clock: Callable[[], float], make_link: Callable[[Session], Link]
    ) -> None:
        self.conversation, self._clock = conversation, clock
        self.streams = Streams()
        self.answering = Answering(conversation, clock, self.say)
        self._link = make_link(self)
        self._waiters: dict[str, Waiter] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._runner: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    # Coming and going

    async def open(self) -> None:
        """
        Connect, and return after the welcome.

        Raises:
            HandshakeRefused, ConnectionLost: there will be none.
        """
        if self._runner is not None:
            raise RuntimeError("a participant connects once; make another")
        name = f"participant in {self.conversation.topic}"
        self._runner = asyncio.get_running_loop().create_task(self._run(), name=name)
        try:
            await self._link.wait_open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give up what is pending, and disconnect for good."""
        if self._runner is None:
            return
        if self._link.is_open:
            for call_id in self.conversation.calls_pending:
                self._give_up(call_id, WithdrawReason.NO_LONGER_NEEDED)
            await self._link.wait_written(FLUSH_S)
        self._link.finish(Closed(CloseCode.NORMAL, CLOSE_REASONS[CloseCode.NORMAL].reason))
        self._runner.cancel()
        await asyncio.wait([self._runner])
        if not self._runner.cancelled() and (error := self._runner.exception()) is not None:
            raise error

    async def _run(self) -> None:
        try:
            await self._link.run()
        finally:
            await self.answering.end()

    async def wait_closed(self) -> Closed:
        """Wait until the connection ended for good, and return why."""
        await self._over.wait()
        assert self._link.end is not None
        return self._link.end

    @property
    def is_open(self) -> bool:
        """Whether what is said now reaches the gateway."""
        return self._link.is_open

    def need_connection(self) -> None:
        """
        Check that there is a connection.

        Raises:
            Closed: it ended for good.
            ConnectionLost: there is none now.
        """
        end = self._link.end
        if end is not None:
            raise Closed(end.code, end.reason) from end.__cause__
        if not self._link.is_open:
            raise ConnectionLost("not connected now" if self._link.was_open else "not connected yet")

    # Saying and waiting

    async def say(self, said: Said) -> str:
        """Send an envelope, and wait if too many wait already; return its id."""
        self._link.put(said.data)
        await self._link.wait_room()
        return said.id

    async def outcome(self, call: Said, method: str, timeout: float | None, waiter: Waiter) -> Outcome:
        """
        Send a call's envelope and wait for the call's end, at most `timeout` seconds.

        Whichever way this is left, nobody is left to believe that the call is wanted.

        Raises:
            RequestTimeout: the time is over.
            ParticipantError: the call ended so.
        """
        self._waiters[call.id] = waiter
        reason = WithdrawReason.NO_LONGER_NEEDED
        self._link.put(call.data)
        self._arm_timer()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await waiter.outcome()
        except TimeoutError:
            if not limit.expired() or timeout is None:
                raise
            reason = WithdrawReason.TIMEOUT
            raise RequestTimeout(method, timeout) from None
        finally:
            del self._waiters[call.id]
            self._give_up(call.id, reason)

    def _give_up(self, call_id: str, reason: WithdrawReason) -> None:
        for said in self.conversation.give_up(call_id, reason, self._clock()):
            self._link.put(said.data)

    # What the link brings

    def take_in(self, frame: bytes) -> bool:
        """Take in one frame; return whether it was the welcome."""
        steps = self.conversation.receive(frame, self._clock())
        self._perform(steps, len(frame))
        self._arm_timer()
        return any(isinstance(step, Welcome) for step in steps)

    def went_down(self, why: Closed) -> None:
        """End what waited: nothing is sent again by itself."""
        self._perform(self.conversation.disconnected(ConnectionLost(why.reason)))
        self.streams.publish(Disconnected(why.code, why.reason, final=False))

    def came_back(self) -> None:
        """Tell of it."""
        self.streams.publish(Reconnected())

    def ended(self, why: Closed) -> None:
        """End everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._perform(self.conversation.disconnected(why))
        for waiter in self._waiters.values():
            waiter.settle(why)
        self.streams.publish(Disconnected(why.code, why.reason, final=True))
        self.streams.end()
        self._over.set()

    # What the conversation decides

    def _perform(self, steps: list[Event | Effect], size: int = 0) -> None:
        """Do what the conversation decided; `size` is of the frame that led to it."""
        for step in steps:
            match step:
                case Send(data):
                    self._link.put(data)
                case CallSettled(call_id, end):
                    if (waiter := self._waiters.get(call_id)) is not None:
                        waiter.settle(end)
                case CallNotified(call_id, notification):
                    if (waiter := self._waiters.get(call_id)) is not None:
                        waiter.notify(notification)
                case Serve(incoming):
                    if (said := self.answering.serve(incoming)) is not None:
                        self._link.put(said.data)
                case CancelServing(request_id):
                    self.answering.cancel(request_id)
                case Told(notification):
                    self.answering.tell(notification)
                case _:
                    self.streams.publish(step, size)

    def _arm_timer(self) -> None:
        """See to it that `tick` runs when it has something to do."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.conversation.next_deadline()
        if due is not None and self._link.end is None:
            wait = min(max(0.0, due - self._clock()), WAKE_S)
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _tick(self) -> None:
        self._perform(self.conversation.tick(self._clock()))
        self._arm_timer()
