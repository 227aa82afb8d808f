"""
One connection to Redis that says when it is broken.

RESP3, so that replies and published messages come over the same link: a link
that answers also hears, and one that has fallen silent is noticed by what it
owes. Nothing is sent again here: who asked knows whether asking twice is safe.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import hiredis

from gateway.broker.redis_address import Address
from gateway.errors import GatewayError

Reply = Any
"""What RESP holds: bytes, int, float, bool, None, list, dict; or an error reply as `hiredis.ReplyError`."""

_NOTHING: Final = object()

_END_GRACE_S: Final = 1.0
"""What is still to be written when a link is closed gets this long; a silent server takes it never."""


class LinkLost(GatewayError):
    """The connection is gone; whether Redis did what it was asked last is not known."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return self.why


_MAY_NOT: Final = ("ACL failure in script", "user executing the script can't")
"""How some versions say in the midst of a script that its user may not: under another word."""


class Refused(GatewayError):
    """Redis answered with an error."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    @property
    def word(self) -> str:
        """The first word, by which Redis names the kind of error: `READONLY`, `OOM`, `NOAUTH`."""
        if any(text in self.text for text in _MAY_NOT):
            return "NOPERM"
        return self.text.split(" ", 1)[0]

    def __str__(self) -> str:
        return self.text


class Link(asyncio.Protocol):
    """
    Pipelined calls, and messages as they come.

    `on_message(channel, data)` is called for each published message, in the
    order in which Redis sent them and the replies; `on_dropped(channel)` when
    Redis ends a subscription by itself, because another server has the channel now.
    """

    def __init__(
        self, on_message: Callable[[bytes, bytes], None], on_dropped: Callable[[bytes], None]
    ) -> None:
        self._on_message, self._on_dropped = on_message, on_dropped
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, Callable[[Reply], None], bytes | str | int | None]] = deque()
        """When it was asked, who gets the answer, and the channel if it is one that is left."""
        self._out: list[bytes] = []
        self.why = "the connection was closed"
        """Why the link is gone, once it is."""
        self.ended = asyncio.Event()

    @classmethod
    async def open(
        cls,
        address: Address,
        on_message: Callable[[bytes, bytes], None],
        on_dropped: Callable[[bytes], None],
    ) -> Link:
        """
        Connect. The first command should be `HELLO 3`.

        Raises:
            OSError: it cannot be reached.
        """
        loop = asyncio.get_running_loop()
        link = cls(on_message, on_dropped)
        if address.path is not None:
            await loop.create_unix_connection(lambda: link, address.path)
        else:
            await loop.create_connection(lambda: link, address.host, address.port, ssl=address.tls)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop has transports of its own
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (item := self._reader.gets()) is not _NOTHING:
                if isinstance(item, hiredis.PushNotification):
                    if item[0] == b"smessage":
                        self._on_message(item[1], item[2])
                    elif item[0] == b"ssubscribe" or (
                        item[0] == b"sunsubscribe" and self._is_leaving(item[1])
                    ):
                        # Subscribing is answered by a push for each channel and nothing else.
                        self._answer(item)
                    elif item[0] == b"sunsubscribe":
                        self._on_dropped(item[1])
                else:
                    self._answer(item)
        except hiredis.ProtocolError as error:
            self.abort(f"it does not speak RESP ({error})")

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.why = str(exc)
        self.ended.set()
        waiting, self._waiting = self._waiting, deque()
        lost = LinkLost(self.why)
        for _, then, _ in waiting:
            then(lost)

    def _is_leaving(self, channel: bytes) -> bool:
        asked = self._waiting[0][2] if self._waiting else None
        return asked == channel or (isinstance(asked, str) and asked.encode() == channel)

    def _answer(self, reply: Reply) -> None:
        if not self._waiting:
            self.abort("it answered what nobody asked")
            return
        _, then, _ = self._waiting.popleft()
        then(reply)

    def call(self, parts: Sequence[bytes | str | int], then: Callable[[Reply], None]) -> None:
        """
        Send a command with the next `flush`; `then` gets the reply.

        An error reply comes as `hiredis.ReplyError`, a lost link as `LinkLost`.
        Subscribe to one channel a call.
        """
        if self.ended.is_set():
            self._loop.call_soon(then, LinkLost(self.why))
            return
        self._waiting.append((self._loop.time(), then, parts[1] if parts[0] == "SUNSUBSCRIBE" else None))
        self._out.append(hiredis.pack_command(cast("Any", tuple(parts))))

    def flush(self) -> None:
        """Write what has been called."""
        if self._out and self._transport is not None:
            out, self._out = self._out, []
            self._transport.write(b"".join(out) if len(out) > 1 else out[0])

    async def ask(self, *parts: bytes | str | int) -> Reply:
        """
        Send one command and return its reply.

        Raises:
            LinkLost, Refused
        """
        return (await self.ask_all([parts]))[0]

    async def ask_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Reply]:
        """
        Send commands, executed in this order, and return their replies.

        Raises:
            LinkLost, Refused: the first error among the replies.
        """
        replies = await self.ask_each(commands)
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise Refused(str(reply))
        return replies

    async def ask_each(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Reply]:
        """
        The same, with an error reply in its place as `hiredis.ReplyError`.

        Raises:
            LinkLost
        """
        replies: list[Reply] = []
        done: asyncio.Future[None] = self._loop.create_future()

        def take(reply: Reply) -> None:
            replies.append(reply)
            if len(replies) == len(commands) and not done.done():
                done.set_result(None)

        if not commands:
            return replies
        for parts in commands:
            self.call(parts, take)
        self.flush()
        await done
        for reply in replies:
            if isinstance(reply, LinkLost):
                raise reply
        return replies

    @property
    def owing_since(self) -> float | None:
        """When the oldest unanswered command was sent (loop time); `None` when all is answered."""
        return self._waiting[0][0] if self._waiting else None

    def close(self) -> None:
        """End the link once what was flushed has been written, if that does not take long."""
        if self._transport is not None:
            self._transport.close()
            self._loop.call_later(_END_GRACE_S, self._transport.abort)

    def abort(self, why: str) -> None:
        """End the link at once."""
        self.why = why
        if self._transport is not None:
            self._transport.abort()
