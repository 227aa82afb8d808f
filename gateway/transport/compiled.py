"""
The transport's busiest loops, compiled where there was a C compiler when it was installed.

Everything works without them, a little slower: all are `None` then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.transport import _wire

Writer: type[_wire.Writer] | None
take_texts: Callable[[bytes | bytearray, int, int, list[bytes]], int] | None
frames_of: Callable[[list[bytes]], bytes] | None
try:
    from gateway.transport._wire import Writer, frames_of, take_texts
except ImportError:
    Writer = take_texts = frames_of = None
