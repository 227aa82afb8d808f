"""When pending deliveries are written: at the end of the round of the loop that led to them, or soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from gateway.fanout import Fanout

if TYPE_CHECKING:
    from gateway._flow import Flow

    Sink = Fanout | Flow

_OWED_S: Final = 0.001
"""What is owed is paid after once to twice so long, if nothing has come for it to leave with."""
_POLLS: Final = 3
"""Rounds in which the loop polls on for an answer: one that comes at once need not wake it."""
_READS_ALONE: Final = 16
"""Reads that are answered at once after one that was the only one of its round."""


class Rounds:
    """
    The fan-outs of a node with something pending, or something owed.

    On a busy node one poll brings many reads. They are all taken before the
    first is answered: receivers then sleep through fewer writes, and each wakes
    once. On a node at rest a read is answered when it is done.
    """

    __slots__ = ("_alone", "_is_sweep_due", "_owing", "_polls", "_reads", "_touched", "reader")

    def __init__(self) -> None:
        self.reader: Any = None
        """Whose read is being taken; deliveries wait for its end."""
        self._touched: dict[Sink, Any] = {}
        """Those with something pending that nobody has scheduled, and who alone was read for it."""
        self._owing: dict[Sink, None] = {}
        """Those that owe somebody its copy of what it sent."""
        self._is_sweep_due = False
        self._reads = self._alone = self._polls = 0

    def touch(self, fanout: Sink) -> None:
        """See to it that what is pending there leaves."""
        fanout.was_given = True
        reader = self.reader
        if self._touched.setdefault(fanout, reader) is not reader:
            self._touched[fanout] = None
        if reader is None:
            self._sweep_soon()

    def read_done(self) -> None:
        """Everything that came together has been taken: deliver what it led to."""
        self.reader = None
        if not self._touched:
            return
        self._reads += 1
        if self._alone:
            self._alone -= 1
            self.sweep()
        else:
            self._sweep_soon()

    def took(self, sink: Sink, reader: Any) -> None:
        """A read has led to deliveries there, and to nothing else: `touch` and `read_done` in one."""
        self.reader = reader
        self.touch(sink)
        self.read_done()

    def turn(self, work: Callable[[], None]) -> None:
        """Call `work` in the next round of the loop, behind what is pending in small topics."""
        asyncio.get_running_loop().call_soon(self._take_turn, work)

    def _take_turn(self, work: Callable[[], None]) -> None:
        if self._touched:
            self.sweep()
        work()

    def _sweep_soon(self) -> None:
        if not self._is_sweep_due:
            self._is_sweep_due = True
            asyncio.get_running_loop().call_soon(self._sweep_round)

    def _sweep_round(self) -> None:
        self._is_sweep_due = False
        if self._reads == 1:
            self._alone = _READS_ALONE
        self.sweep()

    def sweep(self) -> None:
        """Write to small topics now, to who was read a little later, and to large ones when no more comes."""
        self._reads = 0
        touched, self._touched = self._touched, {}
        for fanout, reader in touched.items():
            if not fanout.is_small:
                fanout.schedule()
            elif reader is None:
                fanout.flush()
            elif fanout.flush_but(reader):
                self._owe(fanout)

    def _owe(self, fanout: Sink) -> None:
        if not self._owing:
            asyncio.get_running_loop().call_later(_OWED_S, self._pay)
        self._owing[fanout] = None
        if not self._polls:
            asyncio.get_running_loop().call_soon(self._poll)
        self._polls = _POLLS

    def _poll(self) -> None:
        self._polls -= 1
        if self._polls:
            asyncio.get_running_loop().call_soon(self._poll)

    def _pay(self) -> None:
        self._owing = {fanout: None for fanout in self._owing if fanout.pay_overdue()}
        if self._owing:
            asyncio.get_running_loop().call_later(_OWED_S, self._pay)
