"""One WebSocket to the gateway, kept open: dial, read, write, and again after a pause."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from participants.dialing import Backoff, dial, may_succeed_later
from participants.errors import Closed, ConnectionLost, HandshakeRefused
from participants.outbox import Outbox
from schemas import CLOSE_REASONS, CloseCode

NO_CLOSE_FRAME: Final = 1006
"""What RFC 6455 calls a connection that ended without a close frame."""


class Carried(Protocol):
    """Whoever talks over a link; none of this may block."""

    def take_in(self, frame: bytes) -> bool:
        """Take in one frame; return whether it was the gateway's welcome."""
        ...

    def went_down(self, why: Closed) -> None:
        """The connection ended; the link will try again."""
        ...

    def came_back(self) -> None:
        """Connected and welcomed once more."""
        ...

    def ended(self, why: Closed) -> None:
        """The connection ended for good."""
        ...


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a connection ended, or could not be made."""

    end: Closed
    may_reconnect: bool
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: HandshakeRefused | ConnectionLost) -> Loss:
        """Return what an attempt to connect came to."""
        end = Closed(NO_CLOSE_FRAME, str(error))
        end.__cause__ = error
        if isinstance(error, HandshakeRefused):
            return cls(end, may_succeed_later(error), error.retry_after_s)
        return cls(end, may_reconnect=True)

    @classmethod
    def by_close(cls, closed: ConnectionClosed) -> Loss:
        """Return what a close frame says; a code that the table does not have may be a passing thing."""
        if closed.rcvd is None:
            return cls(Closed(NO_CLOSE_FRAME, "the connection broke"), may_reconnect=True)
        code = closed.rcvd.code
        known = CLOSE_REASONS[CloseCode(code)] if code in set(CloseCode) else None
        reason = closed.rcvd.reason or (known.reason if known is not None else "no reason given")
        return cls(Closed(code, reason), known is None or known.reconnect)


class Link:
    """Carries frames both ways; `run` in a task of its own."""

    def __init__(
        self,
        address: str,
        token: str,
        carried: Carried,
        *,
        reconnect: bool,
        open_timeout: float,
        backoff: Backoff,
    ) -> None:
        self._address, self._token, self._carried = address, token, carried
        self._reconnect, self._open_timeout, self._backoff = reconnect, open_timeout, backoff
        self._socket: ClientConnection | None = None
        self._outbox = Outbox()
        self._first_welcome: asyncio.Future[None] | None = None
        self._entered = asyncio.Event()
        self.end: Closed | None = None
        """Why it ended for good."""

    @property
    def is_open(self) -> bool:
        """Whether what is put now reaches the gateway."""
        return self._socket is not None

    @property
    def was_open(self) -> bool:
        """Whether there ever was a connection."""
        return self._entered.is_set()

    async def wait_open(self) -> None:
        """
        Wait for the first welcome; reading goes on only after this returned.

        Raises:
            HandshakeRefused, ConnectionLost: there will be none.
        """
        self._first_welcome = asyncio.get_running_loop().create_future()
        await self._first_welcome
        self._entered.set()

    def put(self, frame: bytes) -> None:
        """Send a frame after the others; without a connection, nobody would take it."""
        if self._socket is None:
            return
        self._outbox.put(frame)
        if self._outbox.overfull:
            self._socket.transport.abort()

    async def wait_room(self) -> None:
        """Wait while too much waits to be written."""
        await self._outbox.wait_room()

    async def wait_written(self, timeout: float) -> None:
        """Wait until everything was written, at most `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._outbox.wait_empty()
        except TimeoutError:
            return

    def finish(self, end: Closed) -> None:
        """Tell whoever is carried that it is over, once."""
        if self.end is not None:
            return
        self.end, self._socket = end, None
        self._outbox.clear()
        self._carried.ended(end)
        if self._first_welcome is not None and not self._first_welcome.done():
            why = end.__cause__
            self._first_welcome.set_exception(why if isinstance(why, Exception) else end)

    async def run(self) -> None:
        """Stay connected until that ends for good."""
        loop = asyncio.get_running_loop()
        tries = 0
        end = Closed(CloseCode.INTERNAL, "this participant failed")
        try:
            while True:
                started = loop.time()
                try:
                    loss = await self._connection()
                except (HandshakeRefused, ConnectionLost) as error:
                    loss = Loss.of(error)
                if not self._goes_on_after(loss):
                    end = loss.end
                    break
                tries = 0 if loop.time() - started >= self._backoff.settled_after else tries + 1
                await asyncio.sleep(self._backoff.delay(tries, loss.retry_after_s))
        finally:
            self.finish(end)

    def _goes_on_after(self, loss: Loss) -> bool:
        return self._reconnect and self.was_open and loss.may_reconnect

    async def _connection(self) -> Loss:
        """Connect, and stay connected as long as that lasts; return why it ended."""
        socket = await dial(self._address, self._token, self._open_timeout)
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write(socket))
                try:
                    loss = await self._read(socket)
                finally:
                    writer.cancel()
        finally:
            was_welcomed = self._socket is not None
            self._socket = None
            self._outbox.clear()
            try:
                await socket.close()
            except BaseException:
                socket.transport.abort()  # who cannot wait for the goodbye leaves nothing open
                raise
        if was_welcomed and self._goes_on_after(loss):
            self._carried.went_down(loss.end)
        return loss

    async def _read(self, socket: ClientConnection) -> Loss:
        try:
            async with asyncio.timeout(self._open_timeout):
                await self._read_welcome(socket)
            await self._entered.wait()
            while True:
                self._carried.take_in(await socket.recv(decode=False))
        except TimeoutError:
            return Loss(Closed(NO_CLOSE_FRAME, "the gateway said no welcome"), may_reconnect=True)
        except ConnectionClosed as closed:
            return Loss.by_close(closed)

    async def _read_welcome(self, socket: ClientConnection) -> None:
        while True:
            frame = await socket.recv(decode=False)
            # Taking the welcome in may already send: what has to be withdrawn.
            self._socket = socket
            if self._carried.take_in(frame):
                break
            self._socket = None
        if self._entered.is_set():
            self._carried.came_back()
        elif self._first_welcome is not None and not self._first_welcome.done():
            self._first_welcome.set_result(None)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                await socket.send(await self._outbox.wait_next(), text=True)
                self._outbox.written()
        except ConnectionClosed:
            return  # the reader hears of it, too, and says why
