"""Whether arguments are what a tool's JSON Schema asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never

import jsonschema_rs


def conforms(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> bool | None:
    """
    Return whether `arguments` validate; `None` when the schema is none itself.

    Nothing is fetched: a schema that refers elsewhere is none. Patterns are matched in
    linear time, since the schema is a stranger's.
    """
    try:
        validator = jsonschema_rs.validator_for(
            {"type": "object", **schema},
            retriever=_fetch_nothing,
            pattern_options=jsonschema_rs.RegexOptions(),
        )
        return bool(validator.is_valid(dict(arguments)))
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        return None


def _fetch_nothing(uri: str) -> Never:
    raise ValueError(f"nothing is fetched: {uri}")
