"""
TCP between a node and Redis: bytes arrive late, together or not at all, but never out of order.

What is lost is lost with its connection, and what is doubled is asked twice by
who lost an answer. A message can also vanish, come twice or change places
within Redis itself: see `redis_server`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.loop import Process, SimulatedLoop


class _Way:
    """One direction: what was written arrives in order, each at its time."""

    def __init__(
        self, loop: SimulatedLoop, draw_delay: Callable[[], float], arrive: Callable[[bytes], None]
    ) -> None:
        self._loop, self._draw_delay, self._arrive = loop, draw_delay, arrive
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._last = 0.0
        self._is_pumping = False
        self.is_stalled = False

    def write(self, data: bytes) -> None:
        self._last = max(self._last, self._loop.time() + self._draw_delay())
        self._under_way.append((self._last, data))
        self._pump_at_next()

    def stall(self, *, is_stalled: bool) -> None:
        self.is_stalled = is_stalled
        self._pump_at_next()

    def cut(self, *, how_much_arrives: int = 0) -> None:
        """Drop what is under way, but for the first few pieces."""
        while len(self._under_way) > how_much_arrives:
            self._under_way.pop()

    @property
    def pieces(self) -> int:
        return len(self._under_way)

    def _pump_at_next(self) -> None:
        if self._under_way and not self._is_pumping and not self.is_stalled:
            self._is_pumping = True
            delay = max(0.0, self._under_way[0][0] - self._loop.time())
            self._loop.call_outside(delay, self._pump)

    def _pump(self) -> None:
        self._is_pumping = False
        if self.is_stalled:
            return
        now, data = self._loop.time(), []
        while self._under_way and self._under_way[0][0] <= now:
            data.append(self._under_way.popleft()[1])
        if data:
            self._arrive(b"".join(data))
        self._pump_at_next()


class Wire(asyncio.Transport):
    """One connection, as the client's transport; `take` and `gone` are the server's end."""

    def __init__(
        self,
        loop: SimulatedLoop,
        random: Random,
        client: Process,
        protocol: Any,
        *,
        delay_s: float,
    ) -> None:
        super().__init__()
        self._loop, self._random = loop, random
        self.client, self._protocol = client, protocol
        self.take: Callable[[bytes], None] = lambda _: None
        self.gone: Callable[[], None] = lambda: None
        self._is_breaking = False
        self._unread: list[bytes] = []
        """What has arrived and waits for the client's turn."""
        self.is_open = True
        """As the client sees it."""
        self.is_accepted = True
        """As the server sees it."""

        def draw() -> float:
            return delay_s * (0.5 + random.random())

        self._up = _Way(loop, draw, self._arrived_up)
        self._down = _Way(loop, draw, self._arrived_down)

    # The client's end

    def write(self, data: Any) -> None:
        if self.is_open and self.is_accepted:
            self._up.write(bytes(data))

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    def is_closing(self) -> bool:
        return not self.is_open

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def _end(self, error: Exception | None) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._down.cut()
        self._loop.call_soon(self._protocol.connection_lost, error, context=self.client.context)
        # What was written may still arrive, and late: that is what numbers are for.
        if self.is_accepted:
            self._loop.call_outside(self._random.choice((0.0, 0.01, 2.0)), self._hang_up)

    def _hang_up(self) -> None:
        if self.is_accepted:
            if self._up.pieces and not self._up.is_stalled:
                self._loop.call_outside(0.05, self._hang_up)
                return
            self.is_accepted = False
            self._up.cut()
            self.gone()

    # The server's end

    def send(self, data: bytes) -> None:
        """Write to the client."""
        if self.is_accepted and self.is_open and not self._is_breaking:
            self._down.write(data)

    def _arrived_up(self, data: bytes) -> None:
        if self.is_accepted:
            self.take(data)

    def _arrived_down(self, data: bytes) -> None:
        if self.is_open:
            self._unread.append(data)
            if len(self._unread) == 1:
                self._loop.call_soon(self._read, context=self.client.context)

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        if self.is_open:
            self._protocol.data_received(b"".join(unread))

    # What happens to it

    def reset(self, *, something_arrives: bool = True) -> None:
        """Break it: each side gets some of what was under way, and then hears that it is over."""
        if not self.is_accepted:
            return
        some = self._random.randrange(self._up.pieces + 1) if something_arrives else 0
        self._is_breaking = True
        self._up.cut(how_much_arrives=some)
        self._down.cut(how_much_arrives=0)
        if some:
            self._loop.call_outside(0.01, self._broken)
        else:
            self._broken()

    def _broken(self) -> None:
        if self.is_accepted:
            self.is_accepted = False
            self._up.cut()
            self.gone()
        self._end(ConnectionResetError("the connection was reset"))

    def kill_client(self) -> None:
        """The client's process is no more; its kernel says so, perhaps late."""
        self.is_open = False
        self._loop.call_outside(self._random.choice((0.0, 0.05)), self._hang_up)

    def stall(self, *, up: bool, down: bool) -> None:
        """Let nothing through, one way or both, and tell nobody."""
        self._up.stall(is_stalled=up)
        self._down.stall(is_stalled=down)
