"""Real MCP servers from npm, of the handshake era: the pinned versions, installed once."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
CACHE: Final = Path(os.environ.get("MCPX_TEST_CACHE") or ROOT / ".cache") / "npm"
"""Where they are installed, by `make` or by the first test; read before tests hide the machine's settings."""
_PINNED: Final = Path(__file__).with_name("npm")
_INSTALLED_WITHIN_S: Final = 300


def npm_server(name: str) -> str:
    """
    Return the path of a server's command (`mcp-server-everything`, `mcp-server-filesystem`).

    The first call of a fresh clone installs them from the lock file; processes that call at once wait
    for one another.

    Raises:
        RuntimeError: npm is not there, or failed; the text has the end of what it said.
    """
    command = CACHE / "node_modules" / ".bin" / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".installing").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        installed = CACHE / ".installed"
        pinned_at = max(file.stat().st_mtime for file in _PINNED.iterdir())
        if not (installed.is_file() and installed.stat().st_mtime >= pinned_at):
            _install()
            installed.touch()
    assert command.exists(), f"the pinned packages have no command {name}"
    return str(command)


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is needed for the real servers of the tests; install Node.js 20 or newer")
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(_PINNED / name, CACHE / name)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=CACHE,
        capture_output=True,
        text=True,
        timeout=_INSTALLED_WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"npm ci failed:\n{done.stderr[-2000:]}")
