"""The requests of a topic, remembered so that each answer can be held against its question (MCPx 3.1.2)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from participants.conversation.methods import CANCELLED, PROGRESS, same_operation
from schemas import Kind

REQUESTS_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class SeenRequest:
    """What has to be remembered of a request to know its answer."""

    id: str
    sender: str
    kind: Kind
    rpc_id: str | int
    to: tuple[str, ...]
    """Empty: everybody was asked."""
    answered_by: set[str] = field(default_factory=set[str])


def same_rpc_id(one: str | int, other: str | int) -> bool:
    """Whether two JSON-RPC ids are equal; `1` and `"1"` are not."""
    return type(one) is type(other) and one == other


def fault_of_response(
    request: SeenRequest, *, sender: str, to: tuple[str, ...], kind: Kind, rpc_id: str | int
) -> str | None:
    """Say why a response does not count for `request`, or return `None` if it does."""
    if request.to and sender not in request.to:
        return f"{sender} was not asked"
    if not same_operation(kind, request.kind):
        return f"'{kind}' does not answer '{request.kind}'"
    if not same_rpc_id(rpc_id, request.rpc_id):
        return "its JSON-RPC id is not the request's"
    if request.sender not in to:
        return f"it is not addressed to {request.sender}, who asked"
    if sender in request.answered_by:
        return "the request is answered already"
    return None


def fault_of_notification(
    request: SeenRequest, *, sender: str, method: str, cancelled_id: object
) -> str | None:
    """
    Say why a notification does not belong to `request`, or return `None` if it does.

    `cancelled_id` is what a `notifications/cancelled` names; `None` where it names nothing.
    """
    if method == CANCELLED:
        if sender != request.sender:
            return f"only {request.sender} cancels this request"
        if cancelled_id is None or (
            isinstance(cancelled_id, str | int) and same_rpc_id(cancelled_id, request.rpc_id)
        ):
            return None
        return "its requestId is not the request's JSON-RPC id"
    if request.to and sender not in request.to:
        return f"{sender} was not asked, so '{method}' about the request is not theirs to send"
    return None


def needs_request(method: str) -> bool:
    """Whether a notification means nothing without the request that it belongs to."""
    return method in {CANCELLED, PROGRESS}


class RequestBook:
    """The latest requests heard."""

    def __init__(self, limit: int = REQUESTS_REMEMBERED) -> None:
        self._limit = limit
        self._requests: OrderedDict[str, SeenRequest] = OrderedDict()

    def add(self, request: SeenRequest) -> None:
        """Remember a request; the oldest is forgotten for it."""
        self._requests[request.id] = request
        if len(self._requests) > self._limit:
            self._requests.popitem(last=False)

    def get(self, id: str | None) -> SeenRequest | None:
        """Return a request that is remembered."""
        return None if id is None else self._requests.get(id)
