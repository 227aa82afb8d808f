"""
Where secrets come from: a file, the environment, or standard input. Never an argument.

Arguments stand in the shell's history and in `ps` for everybody on the machine.
An argument that looks like a token is refused, and not repeated in the error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from participants.cli.errors import CommandError, UsageRefused

# A JWT begins with a JSON object, which in base64url is "ey" or, with a line break in it, "ew": other names
# with dots in them are none. It is looked for anywhere, since an invite link holds one.
_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9_.-])e[wy][A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_SECRET_OPTIONS: Final = frozenset({"--token", "--admin-token", "--secret", "--jwt-secret", "--password"})
_MAX_SECRET_BYTES: Final = 65536


def refuse_secret_arguments(arguments: Sequence[str]) -> None:
    """
    Refuse a command line that has a token in it, or an option that asks for one.

    What stands after `--` is another program's command line.

    Raises:
        UsageRefused: a secret stands there; it is not repeated.
    """
    for argument in arguments:
        if argument == "--":
            return
        if argument.partition("=")[0] in _SECRET_OPTIONS or _TOKEN.search(argument):
            raise UsageRefused(
                "A secret was given as an argument",
                why="Arguments stand in the shell's history, and other users of this machine can read them",
                do="Put it into a file and name that with --token-file, set MCPX_TOKEN, or pipe it in (`-`);"
                " and revoke this one",
            )


def read_text(source: str) -> str:
    """
    Return what a file holds, or standard input where `source` is `-`, without surrounding space.

    Raises:
        CommandError: it cannot be read, or is no short ASCII text.
    """
    try:
        data = sys.stdin.buffer.read(_MAX_SECRET_BYTES) if source == "-" else Path(source).read_bytes()
        text = data[:_MAX_SECRET_BYTES].decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        where = "Standard input" if source == "-" else f"The file {source}"
        raise CommandError(
            f"{where} cannot be read as a secret", why=getattr(error, "strerror", None) or str(error)
        ) from None
    if not text:
        raise CommandError(
            f"{'Standard input' if source == '-' else source} is empty", why="A token was expected"
        )
    return text


def find_token(env: Mapping[str, str], variable: str, file: str | None) -> str | None:
    """
    Return the token named by a `--…-file` option, else by the environment; `None`: neither is there.

    Raises:
        CommandError: the file cannot be read.
    """
    if file is not None:
        return read_text(file)
    return env.get(variable, "").strip() or None
