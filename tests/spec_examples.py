"""The example envelopes of MCPx v0.1, as its sections show them; the comment in section 3 made JSON."""

from __future__ import annotations

from typing import Any, Final

_CALL: Final = {"name": "dangerous_operation", "arguments": {"target": "production"}}

ENVELOPES: Final[dict[str, dict[str, Any]]] = {
    "3 message envelope": {
        "protocol": "mcpx/v0.1",
        "id": "2f6b6e70-7b36-4b8b-9ad8-7c4f7d0e2d0b",
        "ts": "2025-08-26T14:00:00Z",
        "from": "robot-alpha",
        "to": ["coordinator"],
        "kind": "mcp/request:tools/call",
        "correlation_id": "env-1",
        "payload": {"kind-specific": "body"},
    },
    "3.1.1 request": {
        "protocol": "mcpx/v0.1",
        "id": "env-call-1",
        "from": "trusted-agent",
        "to": ["target-agent"],
        "kind": "mcp/request:tools/call:dangerous_operation",
        "payload": {"jsonrpc": "2.0", "id": 42, "method": "tools/call", "params": _CALL},
    },
    "3.1.2 response": {
        "protocol": "mcpx/v0.1",
        "id": "env-resp-1",
        "from": "target-agent",
        "to": ["trusted-agent"],
        "kind": "mcp/response:tools/call:dangerous_operation",
        "correlation_id": "env-call-1",
        "payload": {
            "jsonrpc": "2.0",
            "id": 42,
            "result": {"content": [{"type": "text", "text": "Operation completed"}]},
        },
    },
    "3.2 proposal": {
        "protocol": "mcpx/v0.1",
        "id": "env-req-1",
        "from": "untrusted-agent",
        "to": ["target-agent"],
        "kind": "mcp/proposal:tools/call:dangerous_operation",
        "payload": {"method": "tools/call", "params": _CALL},
    },
    "3.2.1 fulfillment": {
        "protocol": "mcpx/v0.1",
        "id": "env-fulfill-1",
        "from": "human-user",
        "to": ["target-agent"],
        "kind": "mcp/request:tools/call:dangerous_operation",
        "correlation_id": "env-req-1",
        "payload": {"jsonrpc": "2.0", "id": 44, "method": "tools/call", "params": _CALL},
    },
    "3.2.1 response to both": {
        "protocol": "mcpx/v0.1",
        "id": "env-fulfill-resp-1",
        "from": "target-agent",
        "to": ["human-user", "untrusted-agent"],
        "kind": "mcp/response:tools/call:dangerous_operation",
        "correlation_id": "env-fulfill-1",
        "payload": {
            "jsonrpc": "2.0",
            "id": 44,
            "result": {"content": [{"type": "text", "text": "Operation completed successfully"}]},
        },
    },
    "3.3 chat": {
        "protocol": "mcpx/v0.1",
        "id": "env-chat-1",
        "from": "user-alice",
        "kind": "chat",
        "payload": {"text": "Hello everyone!", "format": "plain"},
    },
    "3.4 presence": {
        "protocol": "mcpx/v0.1",
        "id": "env-presence-1",
        "from": "system:gateway",
        "kind": "system/presence",
        "payload": {
            "event": "join",
            "participant": {"id": "new-agent", "capabilities": ["mcp/proposal:*", "chat"]},
        },
    },
    "3.5.1 welcome": {
        "protocol": "mcpx/v0.1",
        "id": "env-welcome-1",
        "from": "system:gateway",
        "to": ["new-participant"],
        "kind": "system/welcome",
        "payload": {
            "you": {"id": "new-participant", "capabilities": ["mcp/proposal:*", "chat"]},
            "participants": [
                {"id": "agent-1", "capabilities": ["mcp/*", "chat"]},
                {"id": "agent-2", "capabilities": ["mcp/response:*", "chat"]},
            ],
        },
    },
    "3.5.2 capability violation": {
        "protocol": "mcpx/v0.1",
        "id": "env-violation-1",
        "from": "system:gateway",
        "to": ["violator"],
        "kind": "system/error",
        "correlation_id": "env-bad-call",
        "payload": {
            "error": "capability_violation",
            "message": "You lack capability for 'mcp/request:tools/call'",
            "attempted_kind": "mcp/request:tools/call",
            "your_capabilities": ["mcp/proposal:*", "chat"],
        },
    },
}
"""By section; the ones from `system:gateway` only a gateway may send."""
