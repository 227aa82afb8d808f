"""What a run was made on, in a sentence: figures of different machines are not comparable."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.bench import workshop


def described() -> str:
    """Name processor, kernel and the versions of everybody who took part."""
    cpus = len(os.sched_getaffinity(0))
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "websockets", "starlette")
    )
    pinned = json.loads((workshop.PEERS / "package.json").read_text())["dependencies"]
    peers = ", ".join(f"{name} {number}" for name, number in pinned.items())
    nats = re.findall(r"^(\S+)==(\S+)", (workshop.PEERS / "requirements.txt").read_text(), re.MULTILINE)
    return (
        f"On {cpus} CPUs of {_processor()}, Linux {platform.release()}; Python {platform.python_version()},"
        f" {libraries}; Node {_said('node', '--version')}, {peers}; {' '.join(nats[0])};"
        f" {_said('gcc', '--version').splitlines()[0]}."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
