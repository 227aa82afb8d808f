"""The scripts that keep a topic's order, and how they are called."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final


def _read(name: str) -> str:
    return files("gateway.broker").joinpath(f"redis_{name}.lua").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the name by which Redis knows it once loaded."""

    text: str
    sha: str

    @classmethod
    def of(cls, name: str) -> Script:
        text = _read("common") + _read(name)
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


APPEND: Final = Script.of("append")
ENTER: Final = Script.of("enter")
EXIT: Final = Script.of("exit")
BEAT: Final = Script.of("beat")
NODES: Final = Script.of("nodes")
SWAP: Final = Script.of("swap")
SCRIPTS: Final = (APPEND, ENTER, EXIT, BEAT, NODES, SWAP)


def command(script: Script, keys: Sequence[str], *arguments: bytes | str | int) -> list[bytes | str | int]:
    """A script's call as a command, for `Link.ask_all`."""
    return ["EVALSHA", script.sha, len(keys), *keys, *arguments]
