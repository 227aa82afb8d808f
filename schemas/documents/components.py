"""Schemas as parts of one document, so that who reads it needs no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from schemas.documents.json_schemas import FOLDER
from schemas.envelope import JsonObject, is_list, is_object

PREFIX: Final = "#/components/schemas/"

_DROPPED: Final = frozenset({"$schema", "$id", "$defs", "$anchor"})


def component_name(name: str) -> str:
    """Return what a schema is called inside a document: `participant-id` is `ParticipantId`."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("-"))


def embedded(schemas: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    """
    Return schemas, and their own definitions, as components that refer to each other.

    A definition that several schemas have is the same in each, and stands once.
    """
    components: dict[str, JsonObject] = {}
    for name, schema in schemas.items():
        components[component_name(name)] = _moved(schema)
        for inner, definition in schema.get("$defs", {}).items():
            if "$anchor" not in definition:
                components[inner] = _moved(definition)
    return components


def _moved(value: Any) -> Any:
    """Return a schema whose references point into the components."""
    if is_list(value):
        return [_moved(item) for item in value]
    if not is_object(value):
        return value
    moved = {key: _moved(member) for key, member in value.items() if key not in _DROPPED}
    if isinstance(target := value.get("$ref"), str):
        moved["$ref"] = _target(target)
    return moved


def _target(reference: str) -> str:
    if reference.startswith("#/$defs/"):
        return PREFIX + reference.removeprefix("#/$defs/")
    return PREFIX + component_name(reference.removeprefix(FOLDER).removesuffix(".json"))
