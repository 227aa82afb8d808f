"""Results that can be sent: the gateway would close the connection for one that is too large."""

from __future__ import annotations

from typing import Final

import orjson

from participants.errors import INTERNAL_ERROR, RequestFailed
from schemas import JsonObject

MAX_RESULT_BYTES: Final = 1024 * 1024 - 16 * 1024
"""Bytes of a result that fits into an envelope of the default size, with room for the header."""


def fitting(result: JsonObject, at_most: int = MAX_RESULT_BYTES) -> JsonObject:
    """
    Return the result if an envelope can carry it.

    Raises:
        RequestFailed: it is too large, or holds what not every JSON reader reads alike.
    """
    try:
        size = len(orjson.dumps(result))
    except TypeError as error:
        raise RequestFailed(INTERNAL_ERROR, f"The result cannot be sent: {error}") from None
    if size > at_most:
        raise RequestFailed(
            INTERNAL_ERROR,
            f"The result has {size} bytes; at most {at_most} fit into an envelope",
            {"bytes": size, "max_bytes": at_most},
        )
    return result
