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

from gateway.audit.chain import RECOVERED, Act, AuditedAct, Chain, ChainBroken, Outcome, Verification
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

    def read(self, keep: Callable[[AuditedAct], bool], limit: int) -> tuple[list[AuditedAct], Verification]:
        """
        Return the newest acts that `keep` accepts, newest first, and whether the whole chain holds.

        `keep` sees an act before its outcome is known.

        Raises:
            AuditUnavailable: the file cannot be read.
        """
        found: dict[int, tuple[JsonObject, JsonObject]] = {}

        def collect(record: JsonObject) -> None:
            if "of" in record:
                begun = found.get(record["of"])
                if begun is not None:
                    found[record["of"]] = (begun[0], record)
            elif record.get("what") != RECOVERED and keep(AuditedAct.of(record, {})):
                found[record["seq"]] = (record, {})
                if len(found) > limit:
                    del found[next(iter(found))]

        try:
            verification = _walk(self.path, collect)
        except FileNotFoundError:
            return [], Verification(0, Chain().head)
        except OSError as error:
            raise AuditUnavailable(error.strerror or "it cannot be read") from None
        return [AuditedAct.of(*lines) for lines in reversed(found.values())], verification

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
        status = os.fstat(fd)
        if self._inode != (status.st_dev, status.st_ino):
            # The first look; or the operator moved the file away and another begins.
            os.fchmod(fd, 0o600)
            self._chain, self._inode = Chain(), (status.st_dev, status.st_ino)
        if status.st_size < self._chain.offset:
            raise AuditUnavailable("lines were cut off its end")
        if status.st_size == self._chain.offset:
            return
        with os.fdopen(os.dup(fd), "rb") as file:
            file.seek(self._chain.offset)
            for raw in file:
                if not raw.endswith(b"\n"):
                    os.write(fd, b"\n")  # cut short by a crash: it stays, and the next line says so
                try:
                    self._chain.take(raw.removesuffix(b"\n"))
                except ChainBroken as error:
                    why = f"its chain is broken at line {self._chain.lines + 1}: {error}"
                    self._inode = None
                    raise AuditUnavailable(why) from None


def verify(path: Path) -> Verification:
    """
    Check a file's chain from its first line to its last.

    A last line that was cut short is what a crash leaves; nothing was done on
    its account, so it breaks nothing.

    Raises:
        OSError: the file cannot be read.
    """
    return _walk(path, lambda _: None)


def _walk(path: Path, each: Callable[[JsonObject], None]) -> Verification:
    chain = Chain()
    with path.open("rb") as file:
        for raw in file:
            try:
                record = chain.take(raw.removesuffix(b"\n"))
            except ChainBroken as error:
                return Verification(chain.lines, chain.head, chain.lines + 1, str(error))
            if record is not None:
                each(record)
    return Verification(chain.lines, chain.head)
