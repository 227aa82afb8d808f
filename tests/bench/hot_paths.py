"""What one envelope costs before it leaves the core, in one thread and without any I/O."""

from __future__ import annotations

import math
import timeit
from collections.abc import Callable, Iterator, Sequence

from capabilities import CapabilitySet
from gateway.core import Bucket, ConnectionRecord, Member, Mode, Rate, judge
from schemas import CloseCode, Envelope, Kind, encode_envelope

REPEATS = 5
SECONDS = 0.2
"""Roughly how long one repeat runs."""

KIND = "mcp/request:tools/call:write_file"
HELD = (
    "mcp/request:*/list",
    "mcp/request:resources/read",
    "mcp/request:tools/call:write_*",
    "mcp/response:*",
    "chat",
)


class _Nowhere:
    waiting_bytes = 0

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None: ...

    def send_long(self, head: bytes, envelopes: Sequence[bytes]) -> None: ...

    def close(self, code: CloseCode) -> None: ...

    def is_behind(self) -> bool:
        return False


def _envelope(payload_bytes: int) -> bytes:
    text = "x" * payload_bytes
    return encode_envelope(
        id="8d0c1f6e-7c0d-4e0b-9a55-3f0a1b1f7f10",
        ts="2026-01-12T09:30:00Z",
        sender="agent",
        kind=KIND,
        payload={
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "write_file", "text": text},
        },
        to=("files",),
    )


def _member() -> Member:
    record = ConnectionRecord("bench/1", "bench", "agent", HELD, jti="bench", iat=0, at=0.0)
    return Member(
        "bench", record, CapabilitySet.of(HELD), Mode.ALL, math.inf, _Nowhere(), Bucket(Rate(1e9, 1e9), 0.0)
    )


def measure() -> Iterator[tuple[str, float]]:
    """Yield what was done and how many nanoseconds it took, the best of several repeats."""
    small, large = _envelope(100), _envelope(100_000)
    member, held, kind = _member(), CapabilitySet.of(HELD), Kind.parse(KIND)
    assert isinstance(judge(member, small, 0.0, 0.0, 1 << 20), Envelope)
    works: dict[str, Callable[[], object]] = {
        "parse a kind seen before": lambda: Kind.parse(KIND),
        "ask a set for a kind seen before": lambda: held.grants(kind),
        "read an envelope's header, 100 B payload": lambda: Envelope.parse(small),
        "read an envelope's header, 100 kB payload": lambda: Envelope.parse(large),
        "judge an envelope, 100 B payload": lambda: judge(member, small, 0.0, 0.0, 1 << 20),
        "judge an envelope, 100 kB payload": lambda: judge(member, large, 0.0, 0.0, 1 << 20),
    }
    for name, work in works.items():
        timer = timeit.Timer(work)
        once, taken = timer.autorange()
        count = max(1, int(once * SECONDS / taken))
        yield name, min(timer.repeat(REPEATS, count)) / count * 1e9
