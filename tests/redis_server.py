"""A real redis-server for tests: a free port of 127.0.0.1, its own directory, ended by its own pid."""

from __future__ import annotations

import atexit
import shutil
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

READY: Final = "Ready to accept connections"
READY_WITHIN_S: Final = 60.0


RESERVED: Final = 16
_reserved: deque[socket.socket] = deque()


def free_port() -> int:
    """
    Return a TCP port of 127.0.0.1 that is free for one who binds it by its number.

    It stays reserved until so many others have been asked for: a socket is bound to it that
    does not listen, so that the kernel gives the port to nobody who asks for any port, in any
    process, and refuses who connects to it; a server that binds it with SO_REUSEADDR, as all
    servers do, gets it.
    """
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    _reserved.append(probe)
    while len(_reserved) > RESERVED:
        _reserved.popleft().close()
    return int(probe.getsockname()[1])


@atexit.register
def _give_ports_back() -> None:
    while _reserved:
        _reserved.popleft().close()


class RedisServer:
    """
    One redis-server process, and the faults that a test gives it.

    It keeps its port over `kill` and `start`, and its data only with `durable`.
    """

    def __init__(self, directory: Path, *, durable: bool = False, options: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        append = ("--appendonly", "yes", "--appendfsync", "always") if durable else ("--appendonly", "no")
        self._options = (*append, *options)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._output: deque[str] = deque(maxlen=200)

    @property
    def pid(self) -> int:
        """The running server's process id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """
        Start the server and return when it accepts connections.

        Raises:
            RuntimeError: it ended, or said nothing in time; the text has its output.
        """
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is not installed; `make test` installs it")
        fixed = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no")
        self._output.clear()
        self._process = process = subprocess.Popen(
            [program, *fixed, "--dir", str(self._directory), *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        told = threading.Event()
        self._reader = threading.Thread(target=self._read_output, args=(process, told), daemon=True)
        self._reader.start()
        if not told.wait(READY_WITHIN_S) or not any(READY in line for line in self._output):
            self.kill()
            raise RuntimeError("redis-server did not start:\n" + "".join(self._output))

    def _read_output(self, process: subprocess.Popen[str], told: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._output.append(line)
                if READY in line:
                    told.set()
        told.set()  # it ended: nobody needs to wait longer

    def pause(self) -> None:
        """Stop it in its tracks: links stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server run on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word, as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator does."""
        self._end(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the server is not running"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join()


@contextmanager
def running_redis(
    directory: Path, *, durable: bool = False, options: tuple[str, ...] = ()
) -> Iterator[RedisServer]:
    """
    Run a redis-server while the block runs.

    `durable` writes every command to disk before it is answered, so that a
    killed server comes back with all it said yes to.
    """
    server = RedisServer(directory, durable=durable, options=options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
