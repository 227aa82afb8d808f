"""
The transport's busiest loops, compiled where there was a C compiler when it was installed.

Everything works without them, a little slower: all are `None` then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from gateway.transport import _wire

Writer: type[_wire.Writer] | None
take_texts: Callable[[bytes | bytearray, int, int, list[bytes]], int] | None
frames_of: Callable[[list[bytes]], bytes] | None
send_each: Callable[[Sequence[Any], bytes, Sequence[bytes]], None] | None
try:
    from gateway.transport._wire import Writer, frames_of, send_each, take_texts
except ImportError:
    Writer = take_texts = frames_of = send_each = None
