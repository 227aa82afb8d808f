"""The AsyncAPI 3.0 document of the WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.documents.components import PREFIX, component_name, embedded
from schemas.documents.json_schemas import KIND_PATTERNS
from schemas.envelope import JsonObject
from schemas.errors import CLOSE_REASONS, ErrorCode

_FROM_GATEWAY: Final = ("presence", "welcome", "error")
_CHANNEL: Final = "#/channels/topic"
_LEFT_OUT: Final = ("problem", "message")


def asyncapi(schemas: Mapping[str, JsonObject], version: str) -> JsonObject:
    """
    Describe the WebSocket `/ws` from the gateway's side (AsyncAPI 3.0).

    `schemas` are the JSON Schemas by name. Refusals and close codes stand
    under `x-errors` and `x-close-codes`.
    """
    messages = {component_name(name): _message(name, schemas) for name in KIND_PATTERNS}
    in_channel = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    gateways = {component_name(name) for name in _FROM_GATEWAY}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "mcpx gateway",
            "version": version,
            "description": "One WebSocket is one connection of one participant to one topic.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "topic": {
                "address": "/ws",
                "title": "A topic",
                "description": "Text frames, one envelope each. `system/welcome` comes first.",
                "messages": in_channel,
                "bindings": {"ws": _handshake()},
            }
        },
        "operations": {
            "take": {
                "action": "receive",
                "summary": "What a participant sends: judged by its kind, relayed or refused.",
                "channel": {"$ref": _CHANNEL},
                "messages": [_in_channel(name) for name in messages if name not in gateways],
            },
            "deliver": {
                "action": "send",
                "summary": "What a participant hears: what others and it itself sent, and the gateway's own.",
                "channel": {"$ref": _CHANNEL},
                "messages": [_in_channel(name) for name in messages],
            },
        },
        "components": {
            "messages": messages,
            "schemas": embedded({name: body for name, body in schemas.items() if name not in _LEFT_OUT}),
            "securitySchemes": {
                "participantToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "In `Authorization`; a browser offers it as a subprotocol instead.",
                }
            },
        },
        "x-errors": [str(code) for code in ErrorCode],
        "x-close-codes": [
            {"code": row.code, "reason": row.reason, "reconnect": row.reconnect}
            for row in CLOSE_REASONS.values()
        ],
    }


def _message(name: str, schemas: Mapping[str, JsonObject]) -> JsonObject:
    title, description = schemas[name]["title"], schemas[name]["description"]
    return {
        "name": name,
        "title": title.removesuffix("Payload"),
        "summary": description.split("\n")[0],
        "payload": {
            "allOf": [
                {"$ref": PREFIX + "Envelope"},
                {
                    "type": "object",
                    "properties": {
                        "kind": {"type": "string", "pattern": KIND_PATTERNS[name]},
                        "payload": {"$ref": PREFIX + component_name(name)},
                    },
                },
            ]
        },
    }


def _in_channel(name: str) -> JsonObject:
    return {"$ref": f"{_CHANNEL}/messages/{name}"}


def _handshake() -> JsonObject:
    return {
        "method": "GET",
        "query": {
            "type": "object",
            "required": ["topic"],
            "properties": {
                "topic": {"$ref": PREFIX + "Topic"},
                "mode": {
                    "enum": ["all", "directed"],
                    "default": "all",
                    "description": "Directed hears broadcasts, what names it, its own, and system messages.",
                },
            },
            "additionalProperties": False,
        },
        "headers": {
            "type": "object",
            "properties": {
                "Authorization": {"type": "string", "pattern": "^[Bb]earer "},
                "Sec-WebSocket-Protocol": {
                    "type": "string",
                    "description": "From browsers: `mcpx.v0.1, base64url.bearer.mcpx.TOKEN`, the token "
                    "encoded in base64url without padding; the answer names `mcpx.v0.1` alone.",
                },
            },
        },
        "bindingVersion": "0.1.0",
    }
