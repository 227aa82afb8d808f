"""
The ids that stand inside MCP messages, and never mean the same to two peers.

Four of them would collide where many peers share a topic: the JSON-RPC id, the
progress token, the `requestId` of a cancellation, and the subscription id. In
the topic everything is correlated by envelope ids instead; at each border the
inner ids are replaced by those of the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY

from schemas import JsonObject

RpcId = int | str

PROGRESS: Final = "notifications/progress"
CANCELLED: Final = "notifications/cancelled"
LOG_MESSAGE: Final = "notifications/message"
RESOURCE_UPDATED: Final = "notifications/resources/updated"


def is_rpc_id(value: object) -> bool:
    """Whether `value` may be a JSON-RPC id; `true`, `1.5` and `null` may not."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def progress_token_of(params: Mapping[str, Any] | None) -> RpcId | None:
    """The token under which a requester wants progress; `None` when it wants none."""
    token = meta_of(params).get("progressToken")
    return cast("RpcId", token) if is_rpc_id(token) else None


def subscription_id_of(params: Mapping[str, Any] | None) -> RpcId | None:
    """The id of the `subscriptions/listen` request that a notification belongs to."""
    found = meta_of(params).get(SUBSCRIPTION_ID_META_KEY)
    return cast("RpcId", found) if is_rpc_id(found) else None


def with_progress_token(params: JsonObject, token: RpcId) -> JsonObject:
    """Return a request's `params` with another token where there was one; untouched where there was none."""
    if progress_token_of(params) is None:
        return params
    return {**params, "_meta": {**meta_of(params), "progressToken": token}}


def readdressed(
    method: str, params: JsonObject | None, *, request_id: RpcId, progress_token: RpcId | None
) -> JsonObject | None:
    """Return a notification's `params` with the ids that its receiver knows the request by."""
    if params is None:
        return None
    if method == PROGRESS and progress_token is not None and "progressToken" in params:
        params = {**params, "progressToken": progress_token}
    if method == CANCELLED and "requestId" in params:
        params = {**params, "requestId": request_id}
    return resubscribed(params, request_id)


def resubscribed(message: JsonObject, request_id: RpcId) -> JsonObject:
    """Return a result, or a notification's params, with the receiver's subscription id where there is one."""
    if subscription_id_of(message) is None:
        return message
    return {**message, "_meta": {**meta_of(message), SUBSCRIPTION_ID_META_KEY: request_id}}


def unsubscribed(params: JsonObject) -> JsonObject:
    """Return a notification's params without the subscription that it came by, for those who have none."""
    meta = {name: value for name, value in meta_of(params).items() if name != SUBSCRIPTION_ID_META_KEY}
    rest = {name: value for name, value in params.items() if name != "_meta"}
    return {**rest, "_meta": meta} if meta else rest


def meta_of(message: Mapping[str, Any] | None) -> JsonObject:
    """`_meta` of params or a result; empty when there is none."""
    meta = None if message is None else message.get("_meta")
    return cast("JsonObject", meta) if isinstance(meta, dict) else {}
