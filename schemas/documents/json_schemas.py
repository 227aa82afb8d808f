"""
JSON Schemas (2020-12) of what travels: names, the envelope, each payload, problems.

Payloads come from their records; names and the envelope are written here, as
regular expressions that say what `Kind`, `Envelope` and the checks of names
say. Tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.envelope import HEADER_FIELDS, MAX_ID_CHARACTERS, MAX_TO, JsonObject
from schemas.errors import PROTOCOL
from schemas.kind import MAX_KIND_BYTES
from schemas.payloads import PAYLOADS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
FOLDER: Final = "/schemas/"

_PRINTABLE: Final = "^[ -~]*$"
_RFC3339: Final = r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$"

_FOLDED: Final = {"s": "sS\u017f", "k": "kK\u212a"}
"""Letters that fold to a letter of a header field, beside its upper case."""

KIND_PATTERNS: Final[Mapping[str, str]] = {
    "request": "^mcp/request:(?!notifications/)",
    "notification": "^mcp/request:notifications/",
    "response": "^mcp/response:",
    "error-response": "^mcp/response:",
    "proposal": "^mcp/proposal:",
    "reject": "^mcp/reject:",
    "withdraw": "^mcp/withdraw:",
    "chat": "^chat$",
    "presence": "^system/presence$",
    "welcome": "^system/welcome$",
    "error": "^system/error$",
}
"""By the name of a payload's schema: the kinds that it stands under."""


def _looks_like(field: str, but: str = "") -> str:
    """Return a pattern for a name in any case of letters, but for one spelling."""
    letters = "".join(f"[{_FOLDED.get(c, c + c.upper())}]" if c.isalpha() else c for c in field)
    return f"^{f'(?!{but}$)' if but else ''}{letters}$"


_NAMES: Final[Mapping[str, JsonObject]] = {
    "kind": {
        "title": "Kind",
        "description": "FAMILY[:METHOD[:CONTEXT]]; a context may hold colons (MCPx 3.1).",
        "type": "string",
        "maxLength": MAX_KIND_BYTES,
        # Printable ASCII without space; no colon and no star in family and method.
        "pattern": "^[!-)+-9;-~]+(:[!-)+-9;-~]+(:[!-~]+)?)?$",
        "examples": ["chat", "mcp/request:tools/call:read_file"],
    },
    "participant-id": {
        "title": "Participant id",
        "type": "string",
        "pattern": "^(?![sS][yY][sS][tT][eE][mM])[A-Za-z0-9._@-]{1,128}$",
        "examples": ["agent-a"],
    },
    "topic": {
        "title": "Topic",
        "description": "A name without an empty, `.` or `..` segment.",
        "type": "string",
        "pattern": r"^(?!(?:.*/)?\.{0,2}(?:/.*)?$)[A-Za-z0-9._:@/-]{1,256}$",
        "examples": ["ops"],
    },
    "capability": {
        "title": "Capability",
        "description": "A pattern of kinds (MCPx 4.1); one that fits may still be refused, with the reason.",
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_KIND_BYTES,
        "pattern": "^[!-~]*[!-)+-~][!-~]*$",
        "examples": ["mcp/request:tools/*", "chat"],
    },
    "envelope": {
        "title": "Envelope",
        "description": "The one unit on the wire (MCPx 3); what the gateway checks of it.",
        "type": "object",
        "properties": {
            "protocol": {"const": PROTOCOL},
            "id": {"type": "string", "pattern": f"^[ -~]{{1,{MAX_ID_CHARACTERS}}}$"},
            "ts": {"type": "string", "format": "date-time", "pattern": _RFC3339},
            "from": {
                "type": "string",
                "pattern": _PRINTABLE,
                "description": "The sender's participant id, or `system:gateway`.",
            },
            "to": {
                "type": "array",
                "items": {"$ref": "participant-id.json"},
                "maxItems": MAX_TO,
                "description": "Empty or left out: everybody.",
            },
            "kind": {"$ref": "kind.json"},
            "correlation_id": {"type": "string", "pattern": _PRINTABLE},
            "payload": {"type": "object"},
        },
        "required": ["protocol", "id", "from", "kind", "payload"],
        "patternProperties": {_looks_like("auth"): False}
        | {_looks_like(field, but=field): False for field in HEADER_FIELDS},
    },
    "message": {
        "title": "Message",
        "description": "An envelope whose payload fits its kind; what receivers check (MCPx 4.3).",
        "allOf": [
            {"$ref": "envelope.json"},
            *(
                {
                    "if": {"properties": {"kind": {"pattern": pattern}}},
                    "then": {"properties": {"payload": {"$ref": f"{name}.json"}}},
                }
                for name, pattern in KIND_PATTERNS.items()
                if not name.endswith("response")
            ),
            {
                "if": {"properties": {"kind": {"pattern": KIND_PATTERNS["response"]}}},
                "then": {
                    "properties": {
                        "payload": {"oneOf": [{"$ref": "response.json"}, {"$ref": "error-response.json"}]}
                    },
                    "required": ["correlation_id"],
                },
            },
        ],
    },
}


def json_schemas(problems: Mapping[str, tuple[int, str]]) -> dict[str, JsonObject]:
    """
    Return every schema by its name; it is served as `/schemas/NAME.json`.

    `problems`: status and title of each problem code that HTTP answers may have.
    """
    bodies = dict(_NAMES) | {name: _payload_schema(name) for name in PAYLOADS}
    bodies["problem"] = _problem_schema(problems)
    return {
        name: {"$schema": DIALECT, "$id": f"{FOLDER}{name}.json", **body} for name, body in bodies.items()
    }


def schema_index(schemas: Mapping[str, JsonObject]) -> JsonObject:
    """Return what `/schemas/index.json` lists."""
    return {
        "schemas": [
            {"name": name, "title": schema["title"], "href": schema["$id"]}
            for name, schema in sorted(schemas.items())
        ]
    }


def _payload_schema(name: str) -> JsonObject:
    record = PAYLOADS[name]
    _, components = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    body: JsonObject = dict(components.pop(record.__name__))
    if components:
        body["$defs"] = components
    return body


def _problem_schema(problems: Mapping[str, tuple[int, str]]) -> JsonObject:
    """Return the schema of problem+json (RFC 9457); `type` of a problem points to its code here."""
    return {
        "title": "Problem",
        "description": "Why an HTTP request was not carried out (RFC 9457).",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "code": {"enum": sorted(problems)},
        },
        "required": ["type", "title", "status", "detail", "code"],
        "$defs": {
            code: {
                "$anchor": code,
                "title": title,
                "properties": {"code": {"const": code}, "status": {"const": status}},
            }
            for code, (status, title) in sorted(problems.items())
        },
    }
