"""What JSON from elsewhere is taken for: the shape asked for, or nothing."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from schemas import JsonObject

_T = TypeVar("_T")


def as_shape(value: Any, shape: type[_T]) -> _T | None:
    """Return `value` as the type that it has to be; `None`: it is not."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return None


def as_object(value: Any) -> JsonObject | None:
    """Return a JSON object; `None`: it is none."""
    return as_shape(value, dict[str, Any])


def as_texts(value: Any) -> list[str] | None:
    """Return a list of texts; `None`: it is none."""
    return as_shape(value, list[str])
