"""What of the bridge's environment its server may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

HANDED_ON: Final = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
)
"""Variables that every server gets where they are set: who and where one is, and no secret."""


def child_environment(
    outer: Mapping[str, str], *, names: Iterable[str] = (), extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """
    The whole environment of a server: what is on the list, what is named, and `extra`.

    Everything else stays out, whatever it is called: a list of names that look
    like secrets would miss the next one.
    """
    handed_on = {name: outer[name] for name in (*HANDED_ON, *names) if name in outer}
    # An exported shell function is code, not a value.
    return {name: value for name, value in handed_on.items() if not value.startswith("()")} | dict(
        extra or {}
    )
