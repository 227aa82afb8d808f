"""Tells people what the router does, each value and where it comes from; and asks for what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from router_agent.core.filling import Evidence
from router_agent.core.language.words import parts_of
from router_agent.core.parameters import Parameter
from router_agent.core.routes import Call, Decision, Route
from router_agent.core.untrusted import clean, harmless, texts_of

LONGEST_VALUE: Final = 120
LONGEST_RESULT: Final = 1_500
LONGEST_ABOUT: Final = 140
"""Characters of a parameter's description in a question."""


def explained(route: Route) -> str:
    """
    Return a route in words, one line a call and one a value; plain text.

    It holds no intent and begins with no address, however tools and participants are called:
    another router may hear it.
    """
    lines = [f"→ {clean(route.reason, LONGEST_RESULT)}"]
    for call in route.calls if route.decision is not Decision.NONE else ():
        lines.append(f"- {call.tool.participant}: {clean(call.tool.name)}, {call.confidence:.0%} sure")
        lines += [f"  {_value(call, one)}" for one in call.evidence]
        lines += [f"  {clean('.'.join(one.path))}: missing" for one in call.missing]
        if call.alternatives:
            others = ", ".join(f"{one.participant}: {clean(one.tool)}" for one in call.alternatives)
            lines.append(f"  instead of: {others}")
    return harmless("\n".join(lines))


def told(route: Route) -> dict[str, Any]:
    """Return a route as JSON, for callers that are programs."""
    return {
        "intent": route.intent,
        "decision": str(route.decision),
        "reason": route.reason,
        "question": route.question,
        "confidence": round(route.confidence, 4),
        "calls": [_told_call(call) for call in route.calls],
        "timings": {name: round(spent, 3) for name, spent in route.timings.items()},
    }


def quoted(result: Mapping[str, Any]) -> str:
    """
    Return a tool's result for chat, in a fence that nothing in it can close.

    It is data: whoever reads the chat for intents skips what is fenced, and the marker is broken
    besides, for readers that do not.
    """
    text = "\n".join(texts_of(result)) or json.dumps(result.get("structuredContent", {}), ensure_ascii=False)
    text = "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())
    if len(text) > LONGEST_RESULT:
        text = f"{text[:LONGEST_RESULT]}… ({len(text)} characters)"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}\n{harmless(text)}\n{fence}"


def question_for(parameter: Parameter) -> str:
    """Return one question; the description in it is cleaned, cut, and still a stranger's words."""
    name = " ".join(parts_of(parameter.name)) or parameter.name
    told = clean(re.split(r"(?<=[a-z)])\.(?:\s|$)", parameter.description)[0], LONGEST_ABOUT).rstrip(".")
    about = f" ({told[0].lower() + told[1:]})" if told and told.lower() != name else ""
    if parameter.choices:
        shown = ", ".join(clean(str(one), 40) for one in parameter.choices[:6])
        more = ", …" if len(parameter.choices) > 6 else ""
        return f"Which {name}{about}: {shown}{more}?"
    return f"Which {name}{about}?"


def _told_call(call: Call) -> dict[str, Any]:
    return {
        "participant": call.tool.participant,
        "tool": call.tool.name,
        "arguments": dict(call.arguments),
        "confidence": round(call.confidence, 4),
        "missing": [{"argument": ".".join(one.path), "question": one.question} for one in call.missing],
        "evidence": [
            {"argument": ".".join(one.path), "from": _origin(call, one), "start": one.start, "end": one.end}
            for one in call.evidence
        ],
        "alternatives": [
            {"participant": one.participant, "tool": one.tool, "score": one.score}
            for one in call.alternatives
        ],
    }


def _value(call: Call, one: Evidence) -> str:
    value: Any = call.arguments
    for part in one.path:
        value = value.get(part) if isinstance(value, Mapping) else None
    shown = clean(json.dumps(value, ensure_ascii=False), LONGEST_VALUE)
    return f"{clean('.'.join(one.path))} = {shown} ({_origin(call, one)})"


def _origin(call: Call, one: Evidence) -> str:
    return f"“{call.clause[one.start : one.end]}”" if one.start >= 0 else one.rule
