"""The approver's tools: rules are made, listed, removed and tried by calls, each with its own capability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from participants.approver.book import RuleBook, rule_as_json
from participants.approver.errors import RuleRefused
from participants.approver.rules import DEFAULT_LIFETIME_S, DEFAULT_USES, Asked, Effect, Rule

NAMES: Final = frozenset({"rules_add", "rules_list", "rules_remove", "rules_test", "stats"})

_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 2_048}
_OPERATION: Final = {
    "proposer": {**_TEXT, "description": "Whose proposals; * for everybody's where it denies"},
    "target": {**_TEXT, "description": "Whom they are for; * for anybody where it denies"},
    "method": {**_TEXT, "description": "The MCP method", "default": "tools/call"},
    "tool": {**_TEXT, "description": "The tool, prompt or resource"},
    "asker": {**_TEXT, "description": "In whose name it is proposed, where a router proposes for others"},
}
TOOLS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "rules_add",
        "description": "Let proposals of one participant be fulfilled, or rejected, without asking a person.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "effect": {"type": "string", "enum": ["allow", "deny"]},
                **_OPERATION,
                "constraint": {"type": "object", "description": "JSON Schema that the arguments must meet"},
                "days": {"type": "number", "description": "How long it holds", "default": 30},
                "max_uses": {"type": "integer", "default": DEFAULT_USES},
                "note": {"type": "string", "maxLength": 500},
            },
            "required": ["effect", "proposer", "target"],
        },
        # Whoever makes a rule is its author: one who asks for it on another's behalf, as a router does,
        # should propose it, so that a person makes it.
        "annotations": {"destructiveHint": True},
    },
    {
        "name": "rules_list",
        "description": "List the rules.",
        "inputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "rules_remove",
        "description": "Take a rule away, at once.",
        "inputSchema": {"type": "object", "properties": {"id": _TEXT}, "required": ["id"]},
        "annotations": {"destructiveHint": True},
    },
    {
        "name": "rules_test",
        "description": "Say what would become of a proposal; nothing is done or counted.",
        "inputSchema": {
            "type": "object",
            "properties": {**_OPERATION, "arguments": {"type": "object"}},
            "required": ["proposer", "target"],
        },
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "stats",
        "description": "Say how many proposals were allowed, denied and left to people.",
        "inputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": True},
    },
)


def rule_from(said: Mapping[str, Any], author: str, now: float) -> Rule:
    """
    Read the arguments of `rules_add`; narrow where they leave something open.

    Raises:
        RuleRefused: they are no rule.
    """
    days = said.get("days", DEFAULT_LIFETIME_S / 86_400)
    uses = said.get("max_uses", DEFAULT_USES)
    constraint: Any = said.get("constraint")
    if isinstance(days, bool) or not isinstance(days, int | float):
        raise RuleRefused("`days` is a number")
    if isinstance(uses, bool) or not isinstance(uses, int):
        raise RuleRefused("`max_uses` is a whole number")
    if constraint is not None and not isinstance(constraint, dict):
        raise RuleRefused("`constraint` is a JSON Schema")
    effect = _text(said, "effect")
    if effect not in {"allow", "deny"}:
        raise RuleRefused("`effect` is allow or deny")
    return Rule(
        id="",
        effect=Effect(effect),
        proposer=_text(said, "proposer"),
        target=_text(said, "target"),
        method=_text(said, "method", "tools/call"),
        context=_text(said, "tool", "") or None,
        expires_at=now + days * 86_400,
        max_uses=uses,
        constraint=cast("dict[str, Any] | None", constraint),
        author=author,
        note=_text(said, "note", ""),
        asker=_text(said, "asker", "") or None,
    )


def asked_from(said: Mapping[str, Any]) -> Asked:
    """
    Read the arguments of `rules_test`; what the tool is now has to be found out.

    Raises:
        RuleRefused: they describe no proposal.
    """
    return Asked(
        _text(said, "proposer"),
        _text(said, "target"),
        _text(said, "method", "tools/call"),
        _text(said, "tool", "") or None,
        said.get("arguments", {}),
        None,
        _text(said, "asker", "") or None,
    )


def listed(book: RuleBook, now: float) -> dict[str, Any]:
    """Return the rules that still mean something, as JSON."""
    return {"rules": [rule_as_json(rule) for rule in book if rule.is_live(now)]}


def _text(said: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = said.get(name, default)
    if not isinstance(value, str) or (default is None and not value) or len(value) > 2_048:
        raise RuleRefused(f"`{name}` is text")
    return value
