"""One bad tool never breaks the list: it is left out, and said so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import jsonschema_rs

from schemas import JsonObject

MAX_NAME: Final = 128
"""Characters of a tool's name (MCP 2025-11-25, tools, tool names)."""

_DIALECTS: Final = frozenset(
    f"{scheme}://json-schema.org/{path}/schema{end}"
    for scheme in ("http", "https")
    for path in ("draft/2020-12", "draft/2019-09", "draft-07", "draft-06", "draft-04")
    for end in ("", "#")
)


def sound_tools(result: JsonObject) -> tuple[JsonObject, list[tuple[str, str]]]:
    """
    Split a `tools/list` result into what clients can use and what they would choke on.

    Returns the result itself when every tool is sound, else a copy without the
    others, and for each left out its name (shortened) and the reason.
    """
    tools = result.get("tools")
    if not isinstance(tools, list):
        return result, []
    kept: list[object] = []
    left_out: list[tuple[str, str]] = []
    for tool in cast("list[object]", tools):
        why = why_unsound(tool)
        if why is None:
            kept.append(tool)
        else:
            name = cast("JsonObject", tool).get("name") if isinstance(tool, dict) else None
            left_out.append((str(name)[:MAX_NAME], why))
    return (result, []) if not left_out else ({**result, "tools": kept}, left_out)


def why_unsound(tool: object) -> str | None:
    """Say what is wrong with one tool of a list; `None` when nothing is."""
    if not isinstance(tool, dict):
        return "it is no object"
    described = cast("Mapping[str, Any]", tool)
    name = described.get("name")
    if not isinstance(name, str) or not name:
        return "it has no name"
    if len(name) > MAX_NAME:
        return f"its name has more than {MAX_NAME} characters"
    if "inputSchema" not in described:
        return "it has no inputSchema"
    return _why_no_schema("inputSchema", described["inputSchema"]) or (
        _why_no_schema("outputSchema", described["outputSchema"]) if "outputSchema" in described else None
    )


def _why_no_schema(field: str, schema: object) -> str | None:
    if not isinstance(schema, dict):
        return f"its {field} is no object"
    described = cast("JsonObject", schema)
    if field == "inputSchema" and described.get("type") != "object":
        return f"its {field} is not of type 'object'"
    if str(described.get("$schema")) not in _DIALECTS:
        # An unknown dialect is read as the newest: the validator would go and fetch it.
        described = {name: value for name, value in described.items() if name != "$schema"}
    try:
        jsonschema_rs.meta.validate(described)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        return f"its {field} is no JSON Schema: {str(error).splitlines()[0][:200]}"
    except (ValueError, RecursionError) as error:
        return f"its {field} cannot be read: {str(error)[:200]}"
    return None
