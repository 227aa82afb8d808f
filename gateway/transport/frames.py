"""
A WebSocket connection after its handshake, stripped to what moving frames needs; knows nothing of MCPx.

Whole, masked text frames, which is what nearly everything is, are taken from the
read buffer directly. Fragments, control frames and whatever breaks a rule go to
the websockets library's own protocol, which is made when it is first needed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, Protocol

from websockets.extensions import Extension
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol as WebSocketProtocol
from websockets.protocol import Side, State
from websockets.speedups import apply_mask

from gateway.transport import compiled
from gateway.transport.keepalive import Keepalive
from gateway.transport.writers import PlainWriter, encrypts, writer_for

if TYPE_CHECKING:
    from gateway.transport._wire import Writer

_TEXT: Final = 0x81
_PONG: Final = 0x8A
_MASKED: Final = 0x80
_SHORT: Final = 126
_LONG: Final = 127
_take_texts: Final = compiled.take_texts
_medium_head: Final = Struct(">BBH").pack
_PAGES: Final = 1 << 15
_END_GRACE_S: Final = 5.0
"""Seconds that a closed connection gets to take its last bytes."""
_TOO_BIG: Final = 1009
_NO_STATUS: Final = 1005
_ABNORMAL: Final = 1006
_GOING_AWAY: Final = 1012
_NOT_UTF8: Final = 1007


def text_frame(data: bytes) -> bytes:
    """Return a whole server-side text frame (RFC 6455 5.2)."""
    return frame_head(len(data)) + data


def join_frames(texts: list[bytes]) -> bytes:
    """Return the text frames of these, one after another."""
    return b"".join([part for data in texts for part in (frame_head(len(data)), data)])


frames_of: Final = compiled.frames_of or join_frames
"""As `join_frames`; compiled, if there was a compiler."""


def frame_head(size: int) -> bytes:
    """Return what stands before `size` bytes of text in a server's frame."""
    if size < _SHORT:
        return bytes((_TEXT, size))
    if size < 1 << 16:
        return _medium_head(_TEXT, _SHORT, size)
    return bytes((_TEXT, _LONG)) + size.to_bytes(8, "big")


class Receiver(Protocol):
    """Who takes what a connection brings. Every call is synchronous and must not raise."""

    def received(self, messages: Sequence[bytes], /) -> None:
        """Whole text messages that came one after another; their bytes are UTF-8."""
        ...

    def received_binary(self) -> None:
        """A binary message, whatever it held."""
        ...

    def read_done(self) -> None:
        """Everything that came with one read has been handed over."""
        ...

    def overflown(self) -> None:
        """More waits to be sent than may; told once, never from within a write."""
        ...

    def too_big_farewell(self) -> bytes:
        """What to say before a message over the limit closes the connection."""
        ...

    def ended(self, code: int) -> None:
        """The connection is over, with this close code."""
        ...


class Inlet(Protocol):
    """Who gets what a connection reads before the connection does."""

    def __call__(self, data: bytes, /) -> object:
        """Take it, or pass it on."""
        ...

    def close(self) -> None:
        """Pass everything on from here on."""
        ...


MakeInlet = Callable[[Callable[[bytes], bool], int, bool], Inlet]
"""
Makes one of: what takes a read and returns whether it has everything that has begun, the most bytes
of a message, and whether it has everything now.
"""


class Owner(Protocol):
    """uvicorn's list of connections, which it ends when it shuts down."""

    connections: set[Any]


class FramedConnection(asyncio.Protocol):
    """
    One connection: `write` takes frames as they go over the wire.

    What the socket does not take at once waits here by reference, so that the
    same bytes wait once for everybody, up to `max_waiting` bytes.
    """

    __slots__ = (
        "_close_sent",
        "_extensions",
        "_held",
        "_held_bytes",
        "_in_message",
        "_inlet",
        "_is_dropping",
        "_is_ending",
        "_is_over",
        "_keepalive",
        "_last_call",
        "_max_size",
        "_max_waiting",
        "_message",
        "_odd",
        "_owner",
        "_receiver",
        "_stalled",
        "_tail",
        "_transport",
        "pinged_at",
        "write",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        receiver: Receiver,
        owner: Owner,
        keepalive: Keepalive,
        *,
        max_size: int,
        max_waiting: int,
        extensions: Sequence[Extension] = (),
    ) -> None:
        self._extensions = extensions
        self._transport, self._receiver, self._owner, self._keepalive = transport, receiver, owner, keepalive
        self._max_size, self._max_waiting = max_size, max_waiting
        self.write: Final[Writer | PlainWriter] = writer_for(transport)
        """
        Send whole frames, now or when the socket takes them; never blocks. Called for each delivery.

        Nothing follows a close frame.
        """
        self._is_dropping = False
        """Whether what is written goes nowhere any more."""
        self._tail: bytearray | None = None
        """The beginning of a frame whose rest has not come."""
        self._inlet: Inlet | None = None
        """Gets what is read before this does, if somebody has asked for that."""
        self._odd: WebSocketProtocol | None = None
        self._in_message = False
        """Whether a fragmented message is under way; then every frame is odd."""
        self._message: bytearray | None = None
        """Its text so far. Joined at once: a list would grow by fragments that hold nothing."""
        self._held: deque[bytes] | None = None
        """Frames that wait while the socket takes none; `None` while it does."""
        self._held_bytes = 0
        self._stalled: tuple[int, float] | None = None
        self._close_sent: int | None = None
        self._is_over = False
        self._is_ending = False
        """Whether the transport is to be closed once it has been given what waits."""
        self._last_call: asyncio.TimerHandle | None = None
        self.pinged_at: float | None = None
        """When the ping that is still unanswered was sent, by the loop's clock."""
        owner.connections.add(self)
        keepalive.add(self)
        if transport.is_closing():
            self._leave_socket()

    def take_over(self) -> None:
        """
        Be the transport's protocol from here on; what it holds yet goes first.

        As long as it holds nothing, a writer of our own may write as well. With a limit of 0 it says
        at once when it begins to hold something, and when it has let go of it. One that encrypts is
        full when it holds as much as its limit.
        """
        self._transport.set_protocol(self)
        self._transport.set_write_buffer_limits(high=1 if encrypts(self._transport) else 0)
        if self._transport.get_write_buffer_size():
            self.pause_writing()  # perhaps it said so to who was there before

    # Sending

    def cork(self, first: bytes) -> None:
        """Hold back what is written, with these bytes before it, until `uncork`: it leaves in one write."""
        self._held = deque((first,))
        self.write.divert(self._held.append)

    def uncork(self) -> None:
        """Let go of what was held back."""
        if self._held is None:
            return  # it is over, or the transport has said meanwhile that it takes more
        self.resume_writing()
        if self._transport.get_write_buffer_size():
            self.pause_writing()  # perhaps it said so while this held it back anyway

    def write_long(self, head: bytes, text: bytes) -> None:
        """Send one frame that comes in two parts: what waits begins and ends with whole frames."""
        if self._held is None and not self._is_dropping:
            self._transport.writelines((head, text))
        else:
            self.write(head)
            self.write(text)

    def _hold(self, frames: bytes) -> None:
        assert self._held is not None
        self._held.append(frames)
        self._held_bytes += len(frames)
        if self._held_bytes > self._max_waiting:
            self._max_waiting = 1 << 62
            # Later: whoever writes is amid writing to many, and what this leads to would overtake that.
            asyncio.get_running_loop().call_soon(self._overflow)

    def _overflow(self) -> None:
        if not self._is_over:
            self._receiver.overflown()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the kernel has not taken yet; asked of everybody from time to time."""
        waiting = self._held_bytes + self._transport.get_write_buffer_size()
        if not waiting:
            self._stalled = None  # else a later wait for as many bytes would seem to have begun then
        return waiting

    def waiting_since(self, now: float) -> float | None:
        """Since when nothing at all has left, although something waits; asked from time to time."""
        if not self.waiting_bytes:
            return None
        buffered = self._transport.get_write_buffer_size()
        if self._stalled is None or self._stalled[0] != buffered:
            self._stalled = (buffered, now)
        return self._stalled[1]

    def drop_waiting(self) -> None:
        """Forget what waits here; what the socket already has still goes."""
        if self._held:
            self._held.clear()
            self._held_bytes = 0

    def pause_writing(self) -> None:
        if self._held is None:
            self._held = deque()
            if not self._is_dropping:
                self.write.divert(self._hold)

    def resume_writing(self) -> None:
        held, self._held, self._held_bytes = self._held, None, 0
        self._stalled = None
        if not self._is_dropping:
            self.write.divert(None)
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))  # which may pause again
        if self._is_ending:
            self._close_transport()

    def close(self, code: int, reason: str) -> None:
        """Say why and end; what was written before still goes, for as long as the grace lasts."""
        if self._close_sent is not None or self._is_over:
            return
        protocol = self._protocol()
        if protocol.state is State.OPEN:
            protocol.send_close(code, reason)
        self._say_last(protocol, code)
        self._end_within(_END_GRACE_S)

    def _say_last(self, protocol: WebSocketProtocol, code: int) -> None:
        """Write what the library still has to say, after what waits; then nothing more."""
        data = b"".join(protocol.data_to_send())
        if self._held is not None:
            self._held.append(data)
            self._held_bytes += len(data)
        elif data and not self._transport.is_closing():
            self._transport.write(data)
        self._close_sent = self._close_sent or code
        self._drop()

    def _close_transport(self) -> None:
        """Close it when it has everything; whoever takes nothing is dropped when the grace is over."""
        self._is_ending = True
        if self._held:
            self._transport.pause_reading()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once, with whatever was still to be sent."""
        self._leave_socket()
        self._transport.abort()

    def shutdown(self) -> None:
        """Uvicorn goes away."""
        self.close(_GOING_AWAY, "")
        self._close_transport()

    def ping(self, now: float) -> None:
        """Ask for a sign of life."""
        if self._close_sent is None and not self._is_over:
            self.pinged_at = now
            self.write(_PING)

    def _end_within(self, seconds: float) -> None:
        if self._last_call is None:
            self._last_call = asyncio.get_running_loop().call_later(seconds, self.abort)

    # Receiving

    def begin_with(self, early: bytes) -> None:
        """Take first what came before there was a receiver; soon, so that its owner can make ready."""
        # What is read meanwhile comes behind it: a call of its own could come after the next read.
        self._tail = bytearray(early)
        asyncio.get_running_loop().call_soon(self._read, b"")

    @property
    def data_received(self) -> Callable[[bytes], object]:  # type: ignore[override]  # whose method differs
        """Take what was read."""
        return self._inlet or self._read

    def tap(self, make: MakeInlet) -> Inlet | None:
        """Let what `make` returns have each read first, from here on; the same at the next call."""
        if self._inlet is None and not self._is_dropping:
            self._inlet = make(self._read, self._max_size, self._is_between)
            self._transport.set_protocol(self)  # which looks up once what it calls
        return self._inlet

    @property
    def _is_between(self) -> bool:
        """Whether the next thing to come is the beginning of a frame that stands for itself."""
        return self._tail is None and not (self._in_message or self._odd or self._is_dropping)

    def _read(self, data: bytes | bytearray) -> bool:
        if self._is_over:
            return False
        if self._tail is not None:
            self._tail += data
            if len(self._tail) < self._wanted(self._tail):
                return False
            data, self._tail = self._tail, None
        position, size = 0, len(data)
        receiver, max_size = self._receiver, self._max_size
        texts: list[bytes] = []
        while size - position >= 2:
            if _take_texts is not None and not self._in_message and self._close_sent is None:
                position = _take_texts(data, position, max_size, texts)
                if size - position < 2:
                    break
            first, second = data[position], data[position + 1]
            length = second & 0x7F
            head = 6 if length < _SHORT else 8 if length == _SHORT else 14
            if length >= _SHORT:
                if size - position < head - 4:
                    break
                length = int.from_bytes(data[position + 2 : position + head - 4], "big")
            if length > max_size or not second & _MASKED:
                texts = self._hand_over(texts)
                self._take_odd(data[position:])  # against the rules: the rest does not matter
                position = size
                break
            end = position + head + length
            if end > size:
                break
            if first == _TEXT and not self._in_message and self._close_sent is None:
                start = position + head
                # A view costs more than it saves, but where a copy is of many pages.
                masked = data[start:end] if length < _PAGES else memoryview(data)[start:end]
                message = apply_mask(masked, data[start - 4 : start])
                if message.isascii() or _is_utf8(message):
                    texts.append(message)
                else:
                    texts = self._hand_over(texts)
                    if self._close_sent is None:  # else nothing that comes counts any more
                        self._fail(_NOT_UTF8)
            elif first == _PONG and length < _SHORT:
                self.pinged_at = None  # all that ten thousand who are silent ever say
            else:
                texts = self._hand_over(texts)
                self._take_odd(data[position:end])
            position = end
        if position < size:
            self._tail = bytearray(data[position:])
        if texts:
            self._receiver.received(texts)
        receiver.read_done()
        return self._is_between

    def _hand_over(self, texts: list[bytes]) -> list[bytes]:
        """Hand over what came before something else; return where to collect what comes behind it."""
        if not texts:
            return texts
        self._receiver.received(texts)
        return []

    def _wanted(self, data: bytearray) -> int:
        """Bytes to wait for before the frame at the start of `data` can be taken or refused."""
        if len(data) < 2:
            return 2
        length = data[1] & 0x7F
        head = 6 if length < _SHORT else 8 if length == _SHORT else 14
        if length >= _SHORT:
            if len(data) < head - 4:
                return head - 4
            length = int.from_bytes(data[2 : head - 4], "big")
        if length > self._max_size or not data[1] & _MASKED:
            return 0  # it is refused for its head: waiting for the rest would fill the memory
        return head + length

    def _protocol(self) -> WebSocketProtocol:
        if self._odd is None:
            self._odd = WebSocketProtocol(Side.SERVER, state=State.OPEN, max_size=self._max_size)
            self._odd.extensions = list(self._extensions)
        return self._odd

    def _take_odd(self, data: bytes | bytearray) -> None:
        """Give the library what is not a whole text frame, and do as it says."""
        if self._is_over:
            return
        protocol = self._protocol()
        protocol.receive_data(data)
        if protocol.parser_exc is not None:
            sent = protocol.close_sent
            if sent is not None and sent.code == _TOO_BIG:
                self.write(text_frame(self._receiver.too_big_farewell()))
            self._finish(protocol, sent.code if sent is not None else _ABNORMAL)
            return
        for event in protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.CLOSE:
                received = protocol.close_rcvd
                self._finish(protocol, received.code if received is not None else _NO_STATUS)
                return
            self._take_event(event)
        output = b"".join(protocol.data_to_send())
        if output:
            self.write(output)
        if not self._in_message and self._close_sent is None:
            self._odd = None

    def _take_event(self, event: Frame) -> None:
        if event.opcode is Opcode.PONG:
            self.pinged_at = None
        elif event.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._in_message = not event.fin
            if event.opcode is Opcode.BINARY:
                self._message = None
                if self._close_sent is None:
                    self._receiver.received_binary()
            else:
                self._message = bytearray(event.data)
                self._complete(is_last=event.fin)
        elif event.opcode is Opcode.CONT:
            if self._message is not None:
                self._message += event.data
            self._in_message = not event.fin
            self._complete(is_last=event.fin)

    def _complete(self, *, is_last: bool) -> None:
        if not is_last or self._message is None:
            return
        message, self._message = bytes(self._message), None
        if self._close_sent is not None:
            return
        if _is_utf8(message):
            self._receiver.received((message,))
        else:
            self._fail(_NOT_UTF8)

    def _fail(self, code: int) -> None:
        protocol = self._protocol()
        protocol.fail(code)
        self._finish(protocol, code)

    def _finish(self, protocol: WebSocketProtocol, code: int) -> None:
        """Send what the library still has to say, and end."""
        self._say_last(protocol, code)
        self._over(code)
        self._close_transport()
        self._end_within(_END_GRACE_S)

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._leave_socket()
        self._held = None
        if self._last_call is not None:
            self._last_call.cancel()
        self._owner.connections.discard(self)
        self._over(self._close_sent or _ABNORMAL)
        self._inlet = None
        self._receiver = _NOBODY  # who knows this connection: only the collector would part them

    def _leave_socket(self) -> None:
        """Touch it no more: it is closed after this, and its number may be another's."""
        self._drop()
        self.write.close()

    def _drop(self) -> None:
        self._is_dropping = True
        self.write.divert(_dropped)
        if self._inlet is not None:
            self._inlet.close()

    def _over(self, code: int) -> None:
        if not self._is_over:
            self._is_over = True
            self._keepalive.discard(self)
            self._receiver.ended(code)


class _Nobody:
    """Takes what nobody is there to take."""

    def received(self, messages: Sequence[bytes]) -> None: ...

    def received_binary(self) -> None: ...

    def read_done(self) -> None: ...

    def overflown(self) -> None: ...

    def too_big_farewell(self) -> bytes:
        return b""

    def ended(self, code: int) -> None: ...


_NOBODY: Final = _Nobody()

_PING: Final = Frame(Opcode.PING, b"mcpx").serialize(mask=False, extensions=[])


def _dropped(_: bytes) -> None:
    """Where frames go after the close frame."""


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


Attach = Callable[[Receiver], FramedConnection]
