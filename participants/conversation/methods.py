"""
METHOD and CONTEXT: what a kind says of its payload (MCPx 3.1, 4.3).

The gateway looks at the kind alone. So whoever sends must derive it from the
payload, and whoever receives must check that it was: else a call of one tool
could travel under the name of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from schemas import MAX_KIND_BYTES, Kind, KindError, PayloadError, is_kind_text

REQUEST: Final = "mcp/request"
RESPONSE: Final = "mcp/response"
PROPOSAL: Final = "mcp/proposal"
REJECT: Final = "mcp/reject"
WITHDRAW: Final = "mcp/withdraw"
CHAT: Final = Kind("chat")

NOTIFICATIONS: Final = "notifications/"
CANCELLED: Final = "notifications/cancelled"
PROGRESS: Final = "notifications/progress"
LOG_MESSAGE: Final = "notifications/message"

CONTEXT_MEMBER: Final[Mapping[str, str]] = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
}
"""The member of `params` that a method's CONTEXT repeats; other methods carry none."""

_LONGEST_FAMILY: Final = max((REQUEST, RESPONSE, PROPOSAL, REJECT, WITHDRAW), key=len)


def named_by(method: str, params: Mapping[str, Any] | None) -> str | None:
    """Return the tool, prompt or resource that a call names, whether or not a kind can say it."""
    member = CONTEXT_MEMBER.get(method)
    if member is None or params is None:
        return None
    name = params.get(member)
    return name if isinstance(name, str) else None


def context_of(method: str, params: Mapping[str, Any] | None) -> str | None:
    """
    Return the CONTEXT that a kind for this call carries (MCPx 3.1).

    `None` where the method has none, and where the name cannot stand in a kind
    (empty, a space, not ASCII, too long): the call then travels without, and
    only a capability for the whole method grants it. A name has a context
    under every family or under none, so that each request can be answered.
    """
    name = named_by(method, params)
    if not name or not is_kind_text(name):
        return None
    if len(f"{_LONGEST_FAMILY}:{method}:{name}") > MAX_KIND_BYTES:
        return None
    return name


def kind_for(family: str, method: str, params: Mapping[str, Any] | None) -> Kind:
    """
    Return the kind under which a call travels (MCPx 3.1).

    Raises:
        KindError: `method` cannot stand in a kind.
    """
    if ":" in method:
        raise KindError(method, "a method has no colon")
    return Kind.parse(str(Kind(family, method, context_of(method, params))))


def is_broadcastable(method: str) -> bool:
    """Whether a server answers such a request though its `to` names nobody."""
    return method.endswith("/list") or method == "server/discover"


def is_notification(kind: Kind) -> bool:
    """Whether a kind is one of `mcp/request:notifications/…`, which nobody answers."""
    return kind.family == REQUEST and kind.method is not None and kind.method.startswith(NOTIFICATIONS)


def check_method_and_context(kind: Kind, method: str, params: Mapping[str, Any] | None) -> None:
    """
    Check that a kind says what its payload does (MCPx 4.3, Participant Validation).

    A kind without CONTEXT passes for any name: what grants it grants every
    context of the method.

    Raises:
        PayloadError: METHOD or CONTEXT differs, or there is a CONTEXT where none belongs.
    """
    if kind.method != method:
        raise PayloadError(f"the kind says method '{kind.method}', the payload '{method[:64]}'")
    if kind.context is None:
        return
    member = CONTEXT_MEMBER.get(method)
    if member is None:
        raise PayloadError(f"method '{method[:64]}' carries no context")
    if named_by(method, params) != kind.context:
        raise PayloadError(f"the kind says '{kind.context[:64]}', the payload's '{member}' says another")


def same_operation(one: Kind, other: Kind) -> bool:
    """Whether two kinds agree in METHOD and CONTEXT, whatever their families."""
    return one.method == other.method and one.context == other.context
