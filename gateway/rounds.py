"""When pending deliveries are written: after the read that led to them, or soon."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core import Member
from gateway.fanout import Fanout

_POLLS: Final = 2
"""Turns of the loop until what is owed is paid: the first comes before the loop has polled."""


_LOOKS: Final = 2
"""Looks at the members of a topic after a delivery: at the first a large one may be under way yet."""


class Rounds:
    """The fan-outs of a node with something pending, or something owed."""

    __slots__ = ("_is_sweep_due", "_owing", "_touched", "reader")

    def __init__(self) -> None:
        self.reader: Member | None = None
        """Whose read is being taken; deliveries wait for its end."""
        self._touched: list[Fanout] = []
        """Those with something pending that nobody has scheduled."""
        self._owing: list[Fanout] = []
        """Those that owe somebody its copy of what it sent."""
        self._is_sweep_due = False

    def touch(self, fanout: Fanout) -> None:
        """See to it that what is pending there leaves."""
        if fanout.is_touched:
            return
        fanout.is_touched = True
        fanout.looks = _LOOKS
        self._touched.append(fanout)
        if self.reader is None and not self._is_sweep_due:
            self._is_sweep_due = True
            asyncio.get_running_loop().call_soon(self._sweep)

    def settle(self, fanout: Fanout) -> None:
        """Deliver now what is pending in a small topic: a welcome leaves with the handshake's answer."""
        if fanout.is_touched and fanout.is_small and self.reader is None:
            fanout.is_touched = False
            self._touched.remove(fanout)
            fanout.flush()

    def read_done(self) -> None:
        """Everything that came together has been taken: deliver what it led to."""
        reader, self.reader = self.reader, None
        if self._touched:
            self._sweep(reader)

    def _sweep(self, reader: Member | None = None) -> None:
        """Write to small topics now, to who was read a little later, and to large ones when no more comes."""
        self._is_sweep_due = False
        if not self._touched:
            return
        touched, self._touched = self._touched, []
        for fanout in touched:
            fanout.is_touched = False
            if not fanout.is_small:
                fanout.schedule()
            elif reader is None:
                fanout.flush()
            elif fanout.flush_but(reader):
                self._owing.append(fanout)
                if len(self._owing) == 1:
                    self._pay(_POLLS)

    def _pay(self, polls: int) -> None:
        if polls:
            asyncio.get_running_loop().call_soon(self._pay, polls - 1)
            return
        owing, self._owing = self._owing, []
        for fanout in owing:
            fanout.pay()
