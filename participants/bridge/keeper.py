"""
Keeps one command and everything that it starts, and sees to it that all of it ends.

Run as a script by `participants.bridge.child`, never imported by it:

    python -I -S keeper.py LIFELINE COMMAND [ARGUMENT ...]

The command gets this process's standard streams. LIFELINE is the reading end of
a pipe that only the bridge can write to: when the bridge closes it, or dies of
whatever (SIGKILL included), the end of file is the sign to finish. A server
that is told to end by the end of its input has a moment to do so, then comes
SIGTERM, then SIGKILL (MCP 2025-11-25, lifecycle, shutdown).

On Linux orphans become children of this process (it is a "subreaper"), so that
a grandchild cannot leave the tree by forking twice or by starting a session of
its own, and "no child left" means that nothing is left. Elsewhere the process
group has to do.
"""

import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

TO_READ_END_OF_INPUT_S: Final = 2.0
"""Seconds from the end of the command's input to SIGTERM."""
TO_HEED_SIGTERM_S: Final = 2.0
"""Seconds from SIGTERM to SIGKILL."""
TO_DIE_S: Final = 2.0
"""Seconds that SIGKILL may take; only what cannot be killed needs longer."""
_BETWEEN_LOOKS_S: Final = 0.05

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_ON_LINUX: Final = sys.platform == "linux"


def main(arguments: list[str]) -> int:
    """Run the command, outlive its whole tree, and return its exit status as a shell would."""
    lifeline, command = int(arguments[0]), arguments[1:]
    os.set_inheritable(lifeline, False)  # noqa: FBT003  (the standard library's own signature)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, _wake_only)
    keeper = os.getpid()
    command_pid = os.fork()
    if command_pid == 0:
        _become(command, keeper)
    _let_go_of_the_pipes()
    family = _Family(command_pid)
    _wait_for_a_reason_to_end(family, lifeline, woken)
    family.end()
    return family.status


class _Family:
    """The command and its descendants."""

    def __init__(self, command_pid: int) -> None:
        self._command_pid = command_pid
        self.status = 1
        """The command's exit status; 128 + N when signal N ended it."""
        self.command_is_gone = False

    def is_gone(self) -> bool:
        """Reap what has ended; say whether nothing is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.command_is_gone = True
                return True
            if pid == 0:
                return False
            if pid == self._command_pid:
                self.command_is_gone = True
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code

    def end(self) -> None:
        """SIGTERM for all that is left, and SIGKILL for what does not heed it."""
        for number, seconds in ((signal.SIGTERM, TO_HEED_SIGTERM_S), (signal.SIGKILL, TO_DIE_S)):
            deadline = time.monotonic() + seconds
            if self.is_gone():
                return
            self._signal(number)
            while not self.is_gone() and time.monotonic() < deadline:
                if number is signal.SIGKILL:
                    self._signal(number)  # whoever was just being forked escaped the first round
                time.sleep(_BETWEEN_LOOKS_S)

    def _signal(self, number: signal.Signals) -> None:
        if not _ON_LINUX:
            os.killpg(os.getpgrp(), number)
            return
        for pid in _descendants(os.getpid()):
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                continue


def _wait_for_a_reason_to_end(family: _Family, lifeline: int, woken: int) -> None:
    """Return when the command is gone, a signal asks to stop, or its time after the bridge let go is over."""
    deadline: float | None = None
    watched = select.poll()  # unlike `select.select` it takes descriptors beyond 1023
    watched.register(lifeline, select.POLLIN)
    watched.register(woken, select.POLLIN)
    while not family.is_gone() and not family.command_is_gone:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return
        ready = {descriptor for descriptor, _ in watched.poll(None if left is None else left * 1000)}
        if woken in ready and any(number != signal.SIGCHLD for number in os.read(woken, 4096)):
            return
        if lifeline in ready and not os.read(lifeline, 4096):
            watched.unregister(lifeline)
            deadline = time.monotonic() + TO_READ_END_OF_INPUT_S


def _become(command: list[str], keeper: int) -> NoReturn:
    """Turn the forked process into the command; it dies with its keeper."""
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)
        # Python ignores these two, and an ignored signal stays ignored across exec.
        for name in ("SIGPIPE", "SIGXFSZ"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606  (running what it is given is all it does)
    except OSError as error:
        os.write(2, f"cannot start {command[0]!r}: {error.strerror}\n".encode())
    os._exit(127)


def _let_go_of_the_pipes() -> None:
    """Leave the command the only holder of its input and output, so that their ends can be seen."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)


def _descendants(ancestor: int) -> list[int]:
    """All processes below `ancestor`, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name stands in parentheses and may hold anything; the parent is two fields on.
            parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    unseen = [ancestor]
    while unseen:
        for pid in children.get(unseen.pop(), ()):
            found.append(pid)
            unseen.append(pid)
    return found


def _prctl(option: int, value: int) -> None:
    if _ON_LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _wake_only(number: int, frame: FrameType | None) -> None:
    """The wake-up pipe says which signal came."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
