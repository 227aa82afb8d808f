"""What the router's HTTP door offers, as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any, Final

from router_agent.core import LONGEST_INTENT

_TOPIC: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_PROBLEM: Final = {
    "description": "A problem (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEMS: Final = {str(status): _PROBLEM for status in (400, 401, 403, 413, 421, 429, 503, 504)}

OPENAPI: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {
        "title": "MCPx router",
        "version": "0.1.0",
        "description": "Plain words in, the right tool called, with the rights of the caller's own token.",
    },
    "security": [{"token": []}],
    "paths": {
        "/v2/execute": {
            "post": {
                "operationId": "execute",
                "summary": "Route an intent and carry it out",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Execute"}}},
                },
                "responses": {
                    "200": {
                        "description": "What was understood, and what came of it",
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Executed"}}
                        },
                    },
                    **_PROBLEMS,
                },
            }
        },
        "/v2/stream": {
            "post": {
                "operationId": "stream",
                "summary": "Let a configured model answer, with tools behind brackets",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Stream"}}},
                },
                "responses": {
                    "200": {
                        "description": "Server-sent events: text, intent, route, result, error, done",
                        "content": {"text/event-stream": {"schema": {"type": "string"}}},
                    },
                    **_PROBLEMS,
                    "404": _PROBLEM,
                },
            }
        },
    },
    "components": {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        "schemas": {
            "Execute": {
                "type": "object",
                "required": ["topic", "intent"],
                "properties": {
                    "topic": _TOPIC,
                    "intent": {"type": "string", "minLength": 1, "maxLength": LONGEST_INTENT},
                    "context": {"type": "object", "description": "Kept for callers; nothing in it is needed"},
                },
            },
            "Executed": {
                "type": "object",
                "required": ["route", "steps"],
                "properties": {
                    "route": {"type": "object"},
                    "steps": {"type": "array", "items": {"type": "object"}},
                    "error": {"type": "string"},
                    "question": {"type": "string"},
                },
            },
            "Stream": {
                "type": "object",
                "required": ["topic", "messages", "model"],
                "properties": {
                    "topic": _TOPIC,
                    "messages": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 200,
                        "items": {
                            "type": "object",
                            "required": ["role", "content"],
                            "properties": {
                                "role": {"enum": ["user", "assistant"]},
                                "content": {"type": "string"},
                            },
                        },
                    },
                    "model": {"type": "string", "description": "One that the operator configured, by name"},
                    "bare": {
                        "type": "boolean",
                        "default": False,
                        "description": "Take [any brackets] as intents",
                    },
                },
            },
            "Problem": {
                "type": "object",
                "required": ["type", "title", "status", "code", "detail"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
