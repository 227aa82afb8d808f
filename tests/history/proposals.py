"""What is asked is done once, and what answers names what was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from tests.history.events import Acted, Event
from tests.history.views import Relay, Views

_REQUEST, _RESPONSE = "mcp/request:", "mcp/response:"


def check_fulfillments(history: Sequence[Event]) -> Iterator[str]:
    """Whoever asks by a proposal is served once, however many approve."""
    first: dict[str, Acted] = {}
    for event in history:
        if isinstance(event, Acted):
            before = first.setdefault(event.proposal, event)
            if before is not event:
                yield (
                    f"{event.participant} carried out {event.request} for the proposal {event.proposal}, "
                    f"which {before.participant} had fulfilled by {before.request}"
                )


def check_responses(views: Views) -> Iterator[str]:
    """
    A response that was taken names a request heard before, which was for its sender and of the same method.

    That is the participants' part: the gateway relays whatever the rights allow.
    """
    judged: set[str] = set()
    for view in views:
        requests: dict[str, Any] = {}
        for item in view.heard:
            if not isinstance(item, Relay) or item.key in judged:
                continue
            if _REQUEST in item.sent.text:
                envelope = orjson.loads(item.sent.text)
                if envelope["kind"].startswith(_REQUEST):
                    requests[envelope["id"]] = envelope
            elif _RESPONSE in item.sent.text:
                judged.add(item.key)
                yield from _judge(view.name, orjson.loads(item.sent.text), requests, views)


def _judge(hearer: str, response: Any, requests: dict[str, Any], views: Views) -> Iterator[str]:
    if not response["kind"].startswith(_RESPONSE):
        return
    named = response.get("correlation_id")
    request = requests.get(named)
    if request is None:
        # One who came in between has not heard the request; if nobody sent it, nobody has.
        if named not in views.sent:
            yield f"the response {response['id']} (heard by {hearer}) names no request"
        return
    if request["kind"].removeprefix(_REQUEST) != response["kind"].removeprefix(_RESPONSE):
        yield f"the response {response['id']} is of another method than the request {named}"
    if response["from"] not in request.get("to", ()):
        yield f"the response {response['id']} is from one whom the request {named} did not name"
    if request["from"] not in response.get("to", ()):
        yield f"the response {response['id']} is not for {request['from']}, who made the request {named}"
