"""The servers that are measured side by side: gateway, peers, and a C reference of the physical limit."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from tests.bench import workshop
from tests.bench.tokens import SECRET, token_file

READY_WITHIN_S: Final = 20.0
QUIET_WITHIN_S: Final = 15.0
_ENDED_WITHIN_S: Final = 5.0
_RATE: Final = "1000000000:1000000000"
"""Above what any case sends: the limit is checked for every envelope, and never reached."""


class Name(StrEnum):
    """What a server is called on the command line and in results."""

    GATEWAY = "gateway"
    GATEWAY_DEFLATE = "gateway-deflate"
    GATEWAY_REDIS = "gateway-redis"
    C_WRITE = "c-write"
    C_COALESCED = "c-coalesced"
    UWEBSOCKETS = "uwebsockets"
    NATS = "nats"
    WS = "ws"
    BROADCAST = "broadcast"
    STARLETTE = "starlette"


TITLES: Final[Mapping[Name, str]] = {
    Name.GATEWAY: "gateway",
    Name.GATEWAY_DEFLATE: "gateway, deflate",
    Name.GATEWAY_REDIS: "two gateways, Redis",
    Name.C_WRITE: "C, a write each",
    Name.C_COALESCED: "C, coalesced",
    Name.UWEBSOCKETS: "uWebSockets.js",
    Name.NATS: "NATS",
    Name.WS: "node ws, tuned",
    Name.BROADCAST: "websockets.broadcast",
    Name.STARLETTE: "naive Starlette",
}

PEERS: Final = (Name.UWEBSOCKETS, Name.NATS, Name.WS, Name.BROADCAST, Name.STARLETTE)


@dataclass(frozen=True, slots=True)
class Cores:
    """The two CPUs of a measurement."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> Cores:
        """
        Take the first two that this process may use.

        Raises:
            WorkshopError: there is only one; load and server would share it.
        """
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise workshop.WorkshopError("a measurement needs two CPUs: one for the server, one for the load")
        return cls(usable[0], usable[1])


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens."""

    label: str
    ports: Sequence[int]
    processes: Sequence[subprocess.Popen[bytes]]
    """Those whose CPU time and memory are counted; Redis is not among them."""
    load_arguments: Sequence[str] = ()

    def pids(self) -> list[int]:
        """Return the processes and all that they started."""
        return [pid for process in self.processes for pid in _family(process.pid)]

    def wait_quiet(self) -> None:
        """Return when it has done what the case before left it, such as telling who left."""
        until = time.monotonic() + QUIET_WITHIN_S
        spent = _cpu_s(self.pids())
        while time.monotonic() < until:
            time.sleep(0.05)
            before, spent = spent, _cpu_s(self.pids())
            if spent - before < 0.002:
                return


class _Starter(Protocol):
    def __call__(self, place: _Place) -> Running: ...


@dataclass(slots=True)
class _Place:
    """Where one server starts: its core, its directory, and what ends with it."""

    label: str
    cpu: int
    directory: Path
    tokens: Path
    wrapper: Sequence[str]
    """Put before the gateway's own command line, such as a profiler's."""
    ending: ExitStack = field(default_factory=ExitStack)

    def start(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MCPX_")}
        with (self.directory / "log").open("ab") as log:
            process = subprocess.Popen(
                # Whatever ends this process, the servers end with it.
                ["setpriv", "--pdeathsig", "KILL", "taskset", "--cpu-list", str(self.cpu), *command],
                cwd=cwd or self.directory,
                env={**inherited, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.ending.callback(_end, process)
        return process

    def wait_listening(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self._wait(lambda: _accepts(port), process)

    def wait_ready(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self._wait(lambda: _says_ready(port), process)

    def _wait(self, is_up: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + READY_WITHIN_S
        while not is_up():
            if process.poll() is not None or time.monotonic() > until:
                log = (self.directory / "log").read_text(errors="replace")[-2000:]
                raise workshop.WorkshopError(f"{self.label} did not start:\n{log}")
            time.sleep(0.03)


@contextmanager
def running(label: str, cores: Cores, *, wrapper: Sequence[str] = ()) -> Iterator[Running]:
    """
    Run a server on its core while the block runs.

    `label` is a `Name`, or `gateway=DIRECTORY` for the gateway of another
    checkout, so that two versions can be measured in one run.

    Raises:
        WorkshopError: it does not start, or a program is missing.
        ValueError: nobody is called so.
    """
    kind, _, elsewhere = label.partition("=")
    name = Name(kind)
    if elsewhere and not kind.startswith(Name.GATEWAY):
        raise ValueError(f"{label!r}: only a gateway comes from another directory")
    source = Path(elsewhere).resolve() if elsewhere else workshop.ROOT
    with tempfile.TemporaryDirectory(prefix=f"mcpx-bench-{kind}-") as directory:
        place = _Place(label, cores.server, Path(directory), token_file(), wrapper)
        with place.ending:
            yield _starter(name, source)(place)


def _starter(name: Name, source: Path) -> _Starter:
    match name:
        case Name.GATEWAY:
            return lambda place: _start_gateway(place, source)
        case Name.GATEWAY_DEFLATE:
            return lambda place: _start_gateway(place, source, {"MCPX_DEFLATE": "on"})
        case Name.GATEWAY_REDIS:
            return lambda place: _start_two_gateways(place, source)
        case Name.C_WRITE:
            return lambda place: _start_reference(place, "write")
        case Name.C_COALESCED:
            return lambda place: _start_reference(place, "batch")
        case Name.UWEBSOCKETS:
            return lambda place: _start_node(place, "uwebsockets.js")
        case Name.WS:
            return lambda place: _start_node(place, "ws.js")
        case Name.NATS:
            return _start_nats
        case Name.BROADCAST:
            return lambda place: _start_python(place, "websockets_broadcast.py")
        case Name.STARLETTE:
            return lambda place: _start_python(place, "naive_starlette.py")


def _start_gateway(place: _Place, source: Path, settings: Mapping[str, str] | None = None) -> Running:
    port = _free_port()
    process = _start_node_of_gateway(place, source, port, (), settings)
    return Running(place.label, [port], [process], _bearer(place.tokens))


def _start_two_gateways(place: _Place, source: Path) -> Running:
    program = shutil.which("redis-server")
    if program is None:
        raise workshop.WorkshopError("redis-server is not installed: apt-get install redis-server")
    store = _free_port()
    options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    redis = place.start([program, "--port", str(store), *options])
    place.wait_listening(store, redis)
    ports = [_free_port(), _free_port()]
    shared = ("--redis", f"redis://127.0.0.1:{store}/0")
    nodes = [_start_node_of_gateway(place, source, port, shared) for port in ports]
    return Running(place.label, ports, nodes, _bearer(place.tokens))


def _start_node_of_gateway(
    place: _Place,
    source: Path,
    port: int,
    arguments: Sequence[str],
    settings: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "gateway", "--host", "127.0.0.1", "--port", str(port), *arguments)
    env = {
        "MCPX_JWT_SECRET": SECRET,
        "MCPX_STATE_DIR": str(place.directory / f"state-{port}"),
        "MCPX_RATE_LIMIT": _RATE,
        **(settings or {}),
    }
    process = place.start([*place.wrapper, *command], env=env, cwd=source)
    place.wait_ready(port, process)
    return process


def _bearer(tokens: Path) -> tuple[str, ...]:
    return ("--tokens", str(tokens), "--header", "Authorization: Bearer {token}", "--ready", "welcome")


def _start_reference(place: _Place, way: str) -> Running:
    workshop.make_load_generator()
    return _start_simple(place, [str(workshop.REFERENCE)], after_port=[way])


def _start_node(place: _Place, script: str) -> Running:
    workshop.install_node_peers()
    program = shutil.which("node")
    if program is None:
        raise workshop.WorkshopError("node is not installed: apt-get install nodejs")
    env = {"NODE_PATH": str(workshop.NODE_MODULES)}
    return _start_simple(place, [program, str(workshop.PEERS / script)], env=env)


def _start_python(place: _Place, script: str) -> Running:
    return _start_simple(place, [sys.executable, str(workshop.PEERS / script)])


def _start_simple(
    place: _Place,
    command: Sequence[str],
    *,
    after_port: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Running:
    port = _free_port()
    process = place.start([*command, str(port), *after_port], env=env)
    place.wait_listening(port, process)
    return Running(place.label, [port], [process])


def _start_nats(place: _Place) -> Running:
    workshop.install_nats()
    port, client = _free_port(), _free_port()
    settings = (workshop.PEERS / "nats.conf").read_text()
    config = place.directory / "nats.conf"
    config.write_text(settings.replace("@PORT@", str(port)).replace("@CLIENT@", str(client)))
    process = place.start([str(workshop.NATS_SERVER), "-c", str(config)])
    place.wait_listening(port, process)
    return Running(place.label, [port], [process], ("--proto", "nats", "--path", "/"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what was started here, by its own process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDED_WITHIN_S)
            return


def _free_port() -> int:
    """Return a port that nobody holds and, being below the ephemeral range, no connection of a case takes."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _says_ready(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError), opener.open(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
        return bool(answer.status == 200)
    return False


def _family(pid: int) -> list[int]:
    found = [pid]
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in tasks.read_text().split():
                found += _family(int(child))
    return found


def _cpu_s(pids: Sequence[int]) -> float:
    spent = 0
    for pid in pids:
        for schedule in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                spent += int(schedule.read_text().split()[0])
    return spent / 1e9
