"""What a rule demands of arguments: a JSON Schema, checked without ever fetching or guessing anything."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Never

import jsonschema_rs
import orjson

LONGEST: Final = 16 * 1024
"""Bytes of one constraint."""


def fault_of(constraint: Mapping[str, Any]) -> str | None:
    """Say why a constraint cannot be used; `None` when it can."""
    try:
        text = orjson.dumps(constraint)
    except TypeError as error:
        return str(error)
    if len(text) > LONGEST:
        return f"it has more than {LONGEST} bytes"
    try:
        _validator(text)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return str(error)[:200]
    return None


def holds(constraint: Mapping[str, Any], arguments: Any) -> bool:
    """Whether arguments meet a constraint that has no fault."""
    return bool(_validator(orjson.dumps(constraint)).is_valid(arguments))


@lru_cache(maxsize=1_024)
def _validator(text: bytes) -> Any:
    # It validates the schema itself; `jsonschema_rs.meta.validate` would go and fetch an unknown dialect.
    # Patterns are matched in linear time: who proposes chooses the text that they run on.
    return jsonschema_rs.validator_for(
        orjson.loads(text), retriever=_fetch_nothing, pattern_options=jsonschema_rs.RegexOptions()
    )


def _fetch_nothing(uri: str) -> Never:
    raise ValueError(f"nothing is fetched: {uri}")
