from collections.abc import Callable
from typing import TypeAlias

class Inlet:
    def __init__(self, otherwise: Callable[[bytes], bool], most_bytes: int, is_between: bool, /) -> None: ...
    def __call__(self, data: bytes, /) -> None: ...
    def close(self) -> None: ...

Way: TypeAlias = tuple[
    Inlet,
    Callable[[bytes], object],
    bytes,
    float,
    Callable[[int, float], bool],
    Callable[[bytes], list[int] | None],
]

class Flow:
    is_small: bool
    was_given: bool

    def __init__(
        self,
        protocol: bytes,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        delivered: list[int],
        took: Callable[[Flow, Inlet], object],
        /,
    ) -> None: ...
    def open(self, ways: list[Way], /) -> None: ...
    def shut(self) -> None: ...
    @property
    def is_open(self) -> bool: ...
    def schedule(self) -> None: ...
    def flush(self) -> None: ...
    def flush_but(self, inlet: object, /) -> bool: ...
    def pay_overdue(self) -> bool: ...
