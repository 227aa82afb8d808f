"""
The file of an audit log.

An act is on the disk before it is done (`begin`); what came of it is a second
line (`end`). While the file cannot be written, or its chain is broken, acts are
refused.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gateway.audit.chain import GENESIS, RECOVERED, Act, AuditedAct, Chain, ChainBroken, Outcome, Verification
from gateway.audit.reading import Page, read_back
from gateway.core import timestamp
from gateway.errors import AuditUnavailable
from schemas import JsonObject


class AuditLog:
    """
    One file, written by every process of this machine that has it open.

    Methods block (a line is on the disk when they return): call them from a
    thread. Several may.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        """`now` returns Unix seconds."""
        self.path, self._now = path, now
        self._lock = threading.Lock()
        self._chain = Chain()
        self._inode: tuple[int, int] | None = None
        """The file that `_chain` was walked in."""
        self._broken: tuple[tuple[int, int, int, int], Verification] | None = None
        """Where it does not fit, and what the file looked like: it is not walked again until that changes."""

    def check(self) -> None:
        """
        Make sure that the file can be written and that its chain holds; create it, mode 0600.

        Raises:
            AuditUnavailable: it cannot, or does not; acts will be refused until that is mended.
        """
        with self._opened():
            pass

    def begin(self, act: Act) -> int:
        """
        Write down what is about to be done, and return the line's number.

        Raises:
            AuditUnavailable: it could not be written; do nothing then.
        """
        return self._append(act.to_json())

    def end(self, seq: int, outcome: Outcome, result: JsonObject | None = None) -> None:
        """
        Write down what came of the act that `begin` numbered.

        Raises:
            AuditUnavailable: it could not be written; the act will read `unknown`.
        """
        self._append({"of": seq, "outcome": str(outcome), "result": result or {}})

    def read(self, keep: Callable[[AuditedAct], bool], limit: int, before: int | None = None) -> Page:
        """
        Return the newest acts that `keep` accepts, among those older than the line numbered `before`.

        Reads from the end, and no more than `MOST_LINES` for a page. Of the chain it says
        what was found when its lines were walked, each once in the life of this
        process, and in those that are read now; `verify` walks all of them again.

        Raises:
            AuditUnavailable: the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                with self._lock:
                    # Who is writing may yet take it back, if the disk does not confirm it.
                    fcntl.flock(file, fcntl.LOCK_SH)
                    chain = self._follow(file)
                    end = min(self._chain.offset, os.fstat(file.fileno()).st_size)
                    fcntl.flock(file, fcntl.LOCK_UN)
                return read_back(file, end, chain, keep, limit, before)
        except FileNotFoundError:
            return Page([], Verification(0, GENESIS), None)
        except OSError as error:
            raise AuditUnavailable(error.strerror or "it cannot be read") from None

    def _append(self, members: JsonObject) -> int:
        with self._opened() as fd:
            if self._chain.is_torn:
                self._write(fd, {"what": RECOVERED})
            self._write(fd, members)
            return self._chain.seq

    def _write(self, fd: int, members: JsonObject) -> None:
        line = self._chain.next_line(timestamp(self._now()), members)
        try:
            if os.write(fd, line + b"\n") <= len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        except OSError:
            # Nobody was told that this line stands, so no part of it may.
            with suppress(OSError):
                os.ftruncate(fd, self._chain.offset)
            raise
        self._chain.take(line)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Hold the file alone, with the chain walked to its end."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with self._lock:
            try:
                fd = os.open(self.path, flags, 0o600)
            except OSError as error:
                raise AuditUnavailable(error.strerror or "it cannot be opened") from None
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                self._catch_up(fd)
                yield fd
            except OSError as error:
                raise AuditUnavailable(error.strerror or "it cannot be written") from None
            finally:
                os.close(fd)

    def _catch_up(self, fd: int) -> None:
        """Walk what was appended by another process, or before this one began."""
        os.fchmod(fd, 0o600)
        with os.fdopen(os.dup(fd), "rb") as file:
            chain = self._follow(file)
            if chain.is_intact and self._chain.offset < os.fstat(fd).st_size:
                os.write(fd, b"\n")  # cut short by a crash: it stays, and the next line says so
                chain = self._follow(file)
        if not chain.is_intact:
            raise AuditUnavailable(f"its chain is broken at line {chain.broken_at}: {chain.why}")

    def _follow(self, file: BinaryIO) -> Verification:
        """Walk the lines that were appended since the last look; one that has no end is left."""
        status = os.fstat(file.fileno())
        looks = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if self._broken is not None and self._broken[0] == looks:
            return self._broken[1]
        if self._inode != looks[:2] or self._broken is not None:
            # The first look; or the operator moved the file away, or mended it.
            self._chain, self._inode, self._broken = Chain(), looks[:2], None
        chain = self._chain
        if status.st_size < chain.offset:
            return Verification(chain.lines, chain.head, chain.lines, "lines were cut off its end")
        file.seek(chain.offset)
        for raw in file:
            if not raw.endswith(b"\n"):
                break
            try:
                chain.take(raw.removesuffix(b"\n"))
            except ChainBroken as error:
                self._broken = looks, Verification(chain.lines, chain.head, chain.lines + 1, str(error))
                return self._broken[1]
        return Verification(chain.lines, chain.head)


def verify(path: Path) -> Verification:
    """
    Check a file's chain from its first line to its last.

    A last line that was cut short is what a crash leaves; nothing was done on
    its account, so it breaks nothing.

    Raises:
        OSError: the file cannot be read.
    """
    chain = Chain()
    with path.open("rb") as file:
        for raw in file:
            try:
                chain.take(raw.removesuffix(b"\n"))
            except ChainBroken as error:
                return Verification(chain.lines, chain.head, chain.lines + 1, str(error))
    return Verification(chain.lines, chain.head)
