"""
Reads what a GGUF file says of itself: its key-values, without its tensors and without llama.cpp.

The format is open (GGUF 3, little endian): a magic, a version, two counts, then keys with
typed values. A file is not trusted: lengths are checked against what is left of it.
"""

from __future__ import annotations

import mmap
import struct
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_KEYS = 10_000


class NotGguf(ValueError):
    """A file is no GGUF that can be read here."""


def read_header(path: Path, wanted: Callable[[str], bool] = bool) -> Mapping[str, Any]:
    """
    The key-values whose key is wanted; numeric arrays as `array`, others as lists.

    Raises:
        NotGguf: it is another kind of file, or one that is cut short.
        OSError: it cannot be opened.
    """
    with path.open("rb") as handle:
        try:
            data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as empty:
            raise NotGguf(f"{path.name} is empty") from empty
        with data:
            try:
                return _Reader(data).header(wanted)
            except (struct.error, UnicodeDecodeError, IndexError) as cause:
                raise NotGguf(f"{path.name} is cut short or damaged") from cause


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0

    def header(self, wanted: Callable[[str], bool]) -> dict[str, Any]:
        if self._bytes(4) != b"GGUF":
            raise NotGguf("no GGUF magic")
        version = self._number("I")
        if version not in {2, 3}:
            raise NotGguf(f"GGUF version {version}")
        self._number("Q")
        count = self._number("Q")
        if count > _MOST_KEYS:
            raise NotGguf(f"{count} keys")
        out: dict[str, Any] = {}
        for _ in range(count):
            key = self._text()
            value = self._value(self._number("I"), keep=wanted(key))
            if wanted(key):
                out[key] = value
        return out

    def _value(self, kind: int, *, keep: bool) -> Any:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._number(_SCALARS[kind]) if kind in _SCALARS else self._refuse(kind)
        inner, count = self._number("I"), self._number("Q")
        if count > len(self._data):
            raise NotGguf(f"an array of {count}")
        if inner == _STRING:
            if keep:
                return [self._text() for _ in range(count)]
            for _ in range(count):
                self._bytes(self._number("Q"))
            return []
        if inner not in _SCALARS:
            self._refuse(inner)
        code = _SCALARS[inner].replace("?", "B")
        block = self._bytes(count * struct.calcsize("<" + code))
        numbers = array(code)
        if keep:
            numbers.frombytes(block)
        return numbers

    def _refuse(self, kind: int) -> Any:
        raise NotGguf(f"a value of kind {kind}")

    def _number(self, code: str) -> Any:
        return struct.unpack("<" + code, self._bytes(struct.calcsize("<" + code)))[0]

    def _text(self) -> str:
        return self._bytes(self._number("Q")).decode()

    def _bytes(self, count: int) -> bytes:
        block = self._data[self._at : self._at + count]
        if len(block) != count:
            raise IndexError(count)
        self._at += count
        return block
