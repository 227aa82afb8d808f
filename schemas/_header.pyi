from collections.abc import Callable
from typing import Generic, TypeVar

_Made = TypeVar("_Made")
_Kind = TypeVar("_Kind")

class Reader(Generic[_Made]):
    def __init__(
        self,
        make: Callable[[str, str, _Kind, tuple[str, ...], str | None, str | None, bytes], _Made],
        kind_of: Callable[[str], _Kind],
        no_kind: type[Exception],
        protocol: bytes,
        otherwise: Callable[[bytes], _Made],
        /,
    ) -> None: ...
    def __call__(self, data: bytes, /) -> _Made: ...
