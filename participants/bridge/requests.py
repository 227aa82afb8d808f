"""What a bridge does with one request of the topic: answer it, refuse it, or put it to the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from mcp_types import PROTOCOL_VERSION_META_KEY, UNSUPPORTED_PROTOCOL_VERSION

from participants.eras import Era, ServerFacts, has_envelope, with_envelope
from participants.inner_ids import meta_of
from schemas import JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """The bridge knows the answer itself."""

    result: JsonObject = field(hash=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server could not understand it."""

    code: int
    message: str
    data: JsonObject = field(hash=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """The server is asked with these params; `None`: with none."""

    params: JsonObject | None = field(hash=False)


Decision = Answer | Refusal | Ask


def decide(
    method: str, params: JsonObject, facts: ServerFacts, *, client: JsonObject, log_level: str | None = None
) -> Decision:
    """
    Decide about one request, given what the server said of itself.

    The server was met once, by the bridge; whoever shakes hands now is told what
    it said then. Params reach the server as they came. The one exception: a
    modern server gets its envelope added to a request that has none; `client` is
    who asks, and `log_level` what it asked for by `logging/setLevel` before.
    """
    if method == "initialize":
        return Answer(facts.as_initialize_result(params.get("protocolVersion")))
    if method == "ping":
        return Answer({})
    if facts.era is Era.HANDSHAKE:
        if method == "server/discover":
            return Answer(facts.as_discover_result())
        if has_envelope(params):
            requested = meta_of(params)[PROTOCOL_VERSION_META_KEY]
            return Refusal(
                UNSUPPORTED_PROTOCOL_VERSION,
                f"{facts.name} speaks {facts.version}; ask without the envelope of {str(requested)[:32]}",
                {"supported": [facts.version], "requested": str(requested)[:32]},
            )
        return Ask(params or None)
    if has_envelope(params):
        return Ask(params)
    if method == "logging/setLevel":
        return Answer({})  # the modern era has no such request: the level is stamped on those that follow
    return Ask(with_envelope(params, client=client, version=facts.version, log_level=log_level))


def log_level_of(method: str, params: JsonObject) -> str | None:
    """The level that a `logging/setLevel` asks for; `None` for other requests."""
    level = params.get("level")
    return level if method == "logging/setLevel" and isinstance(level, str) else None


def subscribed_uri(method: str, params: JsonObject) -> str | None:
    """The resource that a `resources/subscribe` or `…/unsubscribe` names; `None` for other requests."""
    if method not in {"resources/subscribe", "resources/unsubscribe"}:
        return None
    uri = params.get("uri")
    return uri if isinstance(uri, str) else None


class Subscribers:
    """
    Which peers want to know when a resource of a handshake-era server changes.

    The server has one client, the bridge: it says once that a resource changed,
    and stops saying so when nobody is left who asked.
    """

    def __init__(self, *, at_most: int = 4096) -> None:
        self._peers: dict[str, dict[str, None]] = {}
        self._left = at_most

    def add(self, uri: str, peer: str) -> bool:
        """Remember a subscription; `False`: there are too many already."""
        peers = self._peers.setdefault(uri, {})
        if peer in peers:
            return True
        if self._left <= 0:
            self._forget_if_empty(uri)
            return False
        peers[peer] = None
        self._left -= 1
        return True

    def remove(self, uri: str, peer: str) -> bool:
        """Forget a subscription; say whether nobody is left, so that the server need not tell any more."""
        peers = self._peers.get(uri, {})
        if peer in peers:
            del peers[peer]
            self._left += 1
        self._forget_if_empty(uri)
        return uri not in self._peers

    def of(self, params: JsonObject | None) -> tuple[tuple[str, str], ...]:
        """The resource of a `notifications/resources/updated`, with each peer that is to be told."""
        uri = cast("object", (params or {}).get("uri"))
        return tuple((uri, peer) for peer in self._peers.get(uri, ())) if isinstance(uri, str) else ()

    @property
    def uris(self) -> tuple[str, ...]:
        """What the server is to be asked for again after a restart."""
        return tuple(self._peers)

    def _forget_if_empty(self, uri: str) -> None:
        if not self._peers.get(uri, True):
            del self._peers[uri]
