"""
The two eras of MCP, and what one request says about its own.

Up to 2025-11-25 a client shakes hands (`initialize`) and is then remembered.
From 2026-07-28 each request carries what the handshake said, under `params._meta`.
In a topic there are also requests with neither: from the chat page, from
approvals and from a terminal. They are served at the last handshake version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
)
from mcp_types.methods import CLIENT_REQUESTS
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from schemas import JsonObject

CHANGES_LISTENED_TO: Final = {
    "toolsListChanged": "tools",
    "promptsListChanged": "prompts",
    "resourcesListChanged": "resources",
}
"""Flags of a `subscriptions/listen` filter, and the capability that each belongs to."""

LIST_CHANGED: Final = {part: f"notifications/{part}/list_changed" for part in CHANGES_LISTENED_TO.values()}
"""Capability, and the notification that says that its list changed."""


class Era(StrEnum):
    """How a server is met."""

    HANDSHAKE = "handshake"
    MODERN = "modern"


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server said about itself when it was met."""

    era: Era
    version: str
    """The protocol version spoken with it."""
    capabilities: JsonObject
    info: JsonObject
    """Its `serverInfo`; empty when it did not say."""
    instructions: str | None = None

    @classmethod
    def from_initialize(cls, result: JsonObject) -> ServerFacts:
        """Read an `initialize` result, leniently: what is missing is empty."""
        return cls(
            Era.HANDSHAKE,
            str(result.get("protocolVersion", LATEST_HANDSHAKE_VERSION)),
            _object(result.get("capabilities")),
            _object(result.get("serverInfo")),
            _text(result.get("instructions")),
        )

    @classmethod
    def from_discover(cls, result: JsonObject, version: str) -> ServerFacts:
        """Read a `server/discover` result, leniently: what is missing is empty."""
        return cls(
            Era.MODERN,
            version,
            _object(result.get("capabilities")),
            _object(_object(result.get("_meta")).get(SERVER_INFO_META_KEY)),
            _text(result.get("instructions")),
        )

    def says_when_changed(self, part: str) -> bool:
        """Whether it promises to say when its list of `tools`, `prompts` or `resources` changes."""
        return _object(self.capabilities.get(part)).get("listChanged") is True

    @property
    def name(self) -> str:
        """The server's own name, for people."""
        return str(self.info.get("name") or "the server")

    def as_initialize_result(self, requested: object) -> JsonObject:
        """Answer a peer's `initialize`, whatever the server's own era is."""
        if self.era is Era.HANDSHAKE:
            version = self.version
        else:
            known = isinstance(requested, str) and requested in HANDSHAKE_PROTOCOL_VERSIONS
            version = str(requested) if known else LATEST_HANDSHAKE_VERSION
        return {
            "protocolVersion": version,
            "capabilities": self._handshake_capabilities(),
            "serverInfo": {"name": self.name, "version": "", **self.info},
            **({} if self.instructions is None else {"instructions": self.instructions}),
        }

    def as_discover_result(self) -> JsonObject:
        """
        Answer a peer's `server/discover` for a server of the handshake era.

        It names the versions truly spoken, and no modern one: an SDK client
        that reads it goes on with `initialize`.
        """
        return {
            "supportedVersions": [self.version],
            "capabilities": self.capabilities,
            **({} if self.instructions is None else {"instructions": self.instructions}),
            "resultType": "complete",
            "ttlMs": 0,
            "cacheScope": "private",
            "_meta": {SERVER_INFO_META_KEY: {"name": self.name, "version": "", **self.info}},
        }

    def _handshake_capabilities(self) -> JsonObject:
        if self.era is Era.HANDSHAKE or "subscribe" not in _object(self.capabilities.get("resources")):
            return self.capabilities
        # A modern server has no `resources/subscribe`; do not promise what nobody serves.
        resources = {**_object(self.capabilities["resources"]), "subscribe": False}
        return {**self.capabilities, "resources": resources}


def has_envelope(params: Mapping[str, Any] | None) -> bool:
    """
    Whether a request says of itself that it is of the modern era (MCP 2026-07-28).

    Only the key of the protocol version is a sign: `_meta` alone carries progress
    tokens in both eras.
    """
    meta = None if params is None else params.get("_meta")
    return isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta


def with_envelope(
    params: JsonObject | None,
    *,
    client: JsonObject,
    version: str = LATEST_MODERN_VERSION,
    log_level: str | None = None,
) -> JsonObject:
    """Return `params` as a modern server wants them, for a request that came without its envelope."""
    meta = {
        **_object((params or {}).get("_meta")),
        PROTOCOL_VERSION_META_KEY: version,
        CLIENT_INFO_META_KEY: client,
        CLIENT_CAPABILITIES_META_KEY: {},
    }
    if log_level is not None:
        meta[LOG_LEVEL_META_KEY] = log_level
    return {**(params or {}), "_meta": meta}


def is_modern_only(method: str) -> bool:
    """Whether only the modern era knows this method, so that a bare request means that era."""
    return (method, LATEST_MODERN_VERSION) in CLIENT_REQUESTS and (
        method,
        LATEST_HANDSHAKE_VERSION,
    ) not in CLIENT_REQUESTS


def _object(value: object) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
