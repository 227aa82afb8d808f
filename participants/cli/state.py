"""
The state directory, and the key that a development start makes in it.

The gateway makes the same file in the same way when it is given no key: who
comes first makes it, the other finds it.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from participants.cli.errors import CommandError

KEY_FILE: Final = "jwt.secret"
"""64 hexadecimal characters and a line break; the text without the break is the HS256 secret."""

_SECRET_BYTES: Final = 32


def state_directory(env: Mapping[str, str]) -> Path:
    """`MCPX_STATE_DIR`, else `mcpx` under the XDG state directory."""
    if chosen := env.get("MCPX_STATE_DIR"):
        return Path(chosen).expanduser()
    return Path(env.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "mcpx"


def make_state_directory(directory: Path) -> Path:
    """
    Return the directory, made with mode 0700 where it was missing.

    Raises:
        CommandError: it cannot be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"The state directory {directory} cannot be made",
            why=error.strerror or str(error),
            do="Name another one in MCPX_STATE_DIR",
        ) from error
    return directory


def make_secret(directory: Path) -> str:
    """
    Return the secret kept in `directory`, made where there was none.

    Raises:
        CommandError: the file cannot be read or written, or others may read it.
    """
    path = make_state_directory(directory) / KEY_FILE
    if not path.exists():
        _create(path, secrets.token_hex(_SECRET_BYTES) + "\n")
    return read_secret(path)


def read_secret(path: Path) -> str:
    """
    Return the secret in a file that only its owner may read: that of its first line, which signs.

    Raises:
        CommandError: it cannot be read, or others may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="ascii").strip().split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"The key file {path} cannot be read",
            why=str(error),
            do="Run `mcpx doctor`, or set MCPX_JWT_SECRET",
        ) from error
    if mode & 0o077:
        raise CommandError(
            f"The key file {path} can be read by others (mode {mode:04o})",
            why="Whoever reads it can issue tokens for anybody",
            do=f"chmod 600 {path}, and make a new key if others use this machine",
        )
    return text


def _create(path: Path, text: str) -> None:
    """Create a file of mode 0600 whole or not at all; one that came to be meanwhile is kept."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces the key that another start made first.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    except OSError as error:
        raise CommandError(
            f"The key file {path} cannot be made", why=error.strerror or str(error), do="Check MCPX_STATE_DIR"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
