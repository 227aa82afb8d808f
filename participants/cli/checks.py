"""What `mcpx doctor` looks at on this machine: each check says what, why, and what to do."""

from __future__ import annotations

import math
import os
import platform
import shutil
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from participants.cli.addresses import is_loopback
from participants.cli.errors import CommandError
from participants.cli.findings import Finding, Status
from participants.cli.keys import LocalKeys, find_keys
from participants.cli.state import KEY_FILE, state_directory
from participants.cli.version_command import DISTRIBUTION, package_version
from schemas import PROTOCOL

_WEAK_BITS: Final = 128
_MAKE_ONE: Final = 'python -c "import secrets; print(secrets.token_hex(32))"'
_OLDEST_PYTHON: Final = (3, 11)


def check_versions() -> Iterable[Finding]:
    """Python, this package and the MCP SDK."""
    versions = {name: package_version(name) for name in (DISTRIBUTION, "mcp", "websockets")}
    said = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    what = f"Python {platform.python_version()}, {said}, protocol {PROTOCOL}"
    missing = [name for name, version in versions.items() if version is None]
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding(
            "versions", Status.WRONG, what, "Python 3.11 is the oldest that works", "Install a newer one"
        )
    elif missing:
        yield Finding(
            "versions", Status.WRONG, what, "A package is missing", f"pip install {' '.join(missing)}"
        )
    else:
        yield Finding("versions", Status.OK, what)


def check_state_directory(env: Mapping[str, str]) -> Iterable[Finding]:
    """Whether the state directory is there, ours, and closed to others."""
    directory = state_directory(env)
    try:
        found = directory.stat()
    except FileNotFoundError:
        yield Finding("state", Status.NOTE, f"{directory} does not exist yet", "The first start makes it")
        return
    except OSError as error:
        yield Finding(
            "state", Status.WRONG, f"{directory} cannot be read", str(error), "Check MCPX_STATE_DIR"
        )
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Finding("state", Status.WRONG, f"{directory} is no directory", "", "Check MCPX_STATE_DIR")
    elif not os.access(directory, os.W_OK | os.X_OK):
        yield Finding(
            "state",
            Status.WRONG,
            f"{directory} cannot be written",
            "Key, promotions and audit are kept there",
            f"chown {os.getuid()} {directory}, or name another in MCPX_STATE_DIR",
        )
    elif found.st_mode & 0o077:
        yield Finding(
            "state",
            Status.WARNING,
            f"{directory} is open to others (mode {stat.S_IMODE(found.st_mode):04o})",
            "The audit log and promotions are nobody else's business",
            f"chmod 700 {directory}",
        )
    else:
        yield Finding("state", Status.OK, str(directory))


def check_key(env: Mapping[str, str]) -> Iterable[Finding]:
    """Whether there is a key, strong enough, and readable by its owner alone."""
    names = ("MCPX_JWT_SECRET", "MCPX_JWT_SECRET_FILE", "MCPX_JWT_KEY_FILE", "MCPX_JWKS_URL")
    sources = [name for name in names if env.get(name)]
    if len(sources) > 1:
        yield Finding(
            "key",
            Status.WRONG,
            f"{' and '.join(sources)} are set",
            "A gateway takes its keys from one place",
            "Unset all but one",
        )
        return
    try:
        keys = find_keys(env)
    except CommandError as error:
        yield Finding("key", Status.WRONG, error.what, error.why, error.do)
        return
    if keys is None:
        yield _no_key(env)
        return
    yield from _strength(keys)
    file = env.get("MCPX_JWT_SECRET_FILE") or env.get("MCPX_JWT_KEY_FILE")
    path = Path(file).expanduser() if file else state_directory(env) / KEY_FILE
    signs = any(key.signing is not None for key in keys.ring)
    if not env.get("MCPX_JWT_SECRET") and signs and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        yield Finding(
            "key",
            Status.WRONG,
            f"{path} can be read by others (mode {mode:04o})",
            "Whoever reads it can issue tokens for anybody",
            f"chmod 600 {path}, and make a new key",
        )


def check_bus_secret(env: Mapping[str, str]) -> Iterable[Finding]:
    """Whether nodes that share topics can sign what they tell each other."""
    given = env.get("MCPX_BUS_SECRET")
    if given and entropy_bits(given.encode()) < _WEAK_BITS:
        yield Finding(
            "bus",
            Status.WRONG,
            f"MCPX_BUS_SECRET has about {entropy_bits(given.encode()):.0f} bits of variety",
            "Whoever guesses it and reaches Redis speaks for everybody",
            _MAKE_ONE,
        )
    is_signed_elsewhere = env.get("MCPX_JWT_KEY_FILE") or env.get("MCPX_JWKS_URL")
    if env.get("MCPX_REDIS_URL") and is_signed_elsewhere and not (given or env.get("MCPX_BUS_SECRET_FILE")):
        yield Finding(
            "bus",
            Status.WRONG,
            "MCPX_BUS_SECRET is not set",
            "A node with Redis does not start: without a token secret it has nothing to sign with",
            _MAKE_ONE,
        )


def _no_key(env: Mapping[str, str]) -> Finding:
    if env.get("MCPX_JWKS_URL"):
        return Finding(
            "key", Status.OK, "The gateway fetches keys from MCPX_JWKS_URL; tokens are issued elsewhere"
        )
    return Finding("key", Status.NOTE, "There is no key yet", "The first start of the gateway makes one")


def _strength(keys: LocalKeys) -> Iterable[Finding]:
    for key in keys.ring:
        what = f"{key.algorithm} from {keys.source}" + (f" (kid {key.kid})" if key.kid else "")
        if isinstance(key.checking, bytes) and (bits := entropy_bits(key.checking)) < _WEAK_BITS:
            yield Finding(
                "key",
                Status.WRONG,
                f"{what}: {len(key.checking)} bytes, about {bits:.0f} bits of variety",
                "It looks like words or a pattern, which can be guessed from one token",
                _MAKE_ONE,
            )
        else:
            yield Finding("key", Status.OK, what)


def entropy_bits(secret: bytes) -> float:
    """Estimate a secret's variety in bits from how its bytes are spread; random hex of 32 bytes has 250."""
    counts = Counter(secret).values()
    total = len(secret)
    return sum(count * math.log2(total / count) for count in counts)


def check_origins(env: Mapping[str, str]) -> Iterable[Finding]:
    """Whether the origins and hosts that are let in are spelled as browsers spell them."""
    wrong = False
    for origin in _names(env.get("MCPX_ALLOWED_ORIGINS", "")):
        parts = urlsplit(origin)
        if (
            "*" in origin
            or parts.scheme not in {"http", "https"}
            or not parts.netloc
            or parts.path
            or parts.query
        ):
            wrong = True
            yield Finding(
                "origins",
                Status.WRONG,
                f"MCPX_ALLOWED_ORIGINS holds {origin!r}",
                "An origin is scheme://host[:port], without path or wildcard",
                "For instance https://chat.example.org",
            )
        elif parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            wrong = True
            yield Finding(
                "origins",
                Status.WARNING,
                f"{origin} is not encrypted",
                "A page from there can be changed on its way, and so can what it approves",
                "Serve it over https",
            )
    for host in _names(env.get("MCPX_ALLOWED_HOSTS", "")):
        if "*" in host or "/" in host:
            wrong = True
            yield Finding(
                "origins", Status.WRONG, f"MCPX_ALLOWED_HOSTS holds {host!r}", "A host is a plain name"
            )
    if not wrong:
        more = _names(env.get("MCPX_ALLOWED_ORIGINS", ""))
        yield Finding("origins", Status.OK, ", ".join(["the gateway's own", *more]))


def check_demonstration() -> Iterable[Finding]:
    """What `mcpx run` needs."""
    if shutil.which("git") is None:
        yield Finding(
            "run",
            Status.WARNING,
            "git is not installed",
            "`mcpx run` keeps its workspace in it",
            "Install git",
        )
    elif find_spec("mcp_server_git") is None:
        yield Finding(
            "run",
            Status.WARNING,
            "mcp-server-git is not installed",
            "`mcpx run` bridges it",
            "pip install 'mcpx-gateway[demo]'",
        )
    else:
        yield Finding("run", Status.OK, "git and mcp-server-git are there")
    npx = shutil.which("npx")
    what = "npx is there" if npx else "npx is missing: `mcpx run --server filesystem` needs it"
    yield Finding("node", Status.OK if npx else Status.NOTE, what)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
