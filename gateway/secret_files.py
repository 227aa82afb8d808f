"""Secrets in files: read, made at the first start, and judged by their length."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from gateway.errors import SettingsError

MIN_SECRET_BYTES: Final = 32
HOW_TO_MAKE_ONE: Final = "make one: python -c 'import secrets; print(secrets.token_hex(32))'"

_MOST_SECRETS: Final = 4
"""On the lines of one file: the one in force, and those that are being replaced."""


def text_in(path: Path) -> str:
    """
    Return a file's text.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(str(path), f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise SettingsError(str(path), "is no text in UTF-8") from None


def line_in(path: Path | None) -> str | None:
    """
    Return the only line of a file, if one is named.

    Raises:
        SettingsError: it cannot be read, or holds more or less than a line.
    """
    if path is None:
        return None
    line = text_in(path).strip()
    if not line or "\n" in line:
        raise SettingsError(str(path), "must hold one line")
    return line


def secrets_in(path: Path) -> tuple[str, ...]:
    """
    Return a file's secrets, one a line.

    Raises:
        SettingsError: it cannot be read, or one is too short or there twice.
    """
    found = tuple(line.strip() for line in text_in(path).splitlines() if line.strip())
    if not 1 <= len(found) <= _MOST_SECRETS or len(set(found)) < len(found):
        raise SettingsError(
            str(path), f"must hold a secret on each line, {_MOST_SECRETS} at most, each another"
        )
    for secret in found:
        check_secret(str(path), secret)
    return found


def make_secret(path: Path) -> None:
    """Make the key file whole or not at all: another process may start at the same moment."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        aside.unlink()
    except OSError as error:
        raise SettingsError(str(path), f"cannot be made ({error.strerror})") from error


def check_secret(where: str, secret: str) -> None:
    """
    See that a secret is long enough.

    Raises:
        SettingsError: it is not.
    """
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(where, f"a secret has at least {MIN_SECRET_BYTES} bytes; {HOW_TO_MAKE_ONE}")
