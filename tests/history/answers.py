"""Nothing is dropped in silence: what was sent is heard by its sender or refused by name, and not both."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

import orjson

from tests.history.events import Closed, Sent
from tests.history.views import Refusal, Relay, View, Views

ERRORS: Final = frozenset(
    (
        "invalid_json",
        "unsupported_protocol",
        "invalid_envelope",
        "from_mismatch",
        "reserved_kind",
        "rate_limited",
        "capability_violation",
        "topic_unavailable",
        "too_large",
    )
)


def check_answers(views: Views, appended: AbstractSet[str]) -> Iterator[str]:
    """Look at what became of each envelope that was sent."""
    heard_by: dict[str, str] = {}
    for view in views:
        for item in view.heard:
            if isinstance(item, Relay):
                heard_by.setdefault(item.key, view.name)
    for view in views:
        refused: dict[str, str] = {}
        came_back = {item.key for item in view.heard if isinstance(item, Relay)}
        was_too_large = False
        for item in view.heard:
            if isinstance(item, Refusal):
                if item.code not in ERRORS:
                    yield f"{view.name} was refused for an unknown reason: {item.code}"
                if item.of is None:
                    was_too_large = was_too_large or item.code == "too_large"
                    continue
                if item.of in refused:
                    yield f"{view.name} was told twice that {item.of} is refused"
                refused[item.of] = item.code
                if item.of in views.sender and views.sender[item.of] is not view:
                    yield f"{view.name} was told of the refusal of {item.of}, which it did not send"
        for _, sent in view.sent:
            yield from _one(view, sent, refused.get(sent.id), came_back, heard_by, appended, was_too_large)


def _one(
    view: View,
    sent: Sent,
    refused: str | None,
    came_back: AbstractSet[str],
    heard_by: dict[str, str],
    appended: AbstractSet[str],
    was_too_large: bool,
) -> Iterator[str]:
    if sent.is_too_large:
        if sent.id in heard_by:
            yield f"{sent.id} was too large, and {heard_by[sent.id]} heard it"
        if isinstance(view.end, Closed) and view.end.code == 1009 and not was_too_large:
            yield f"{view.name} was closed with 1009 and not told before that {sent.id} is too large"
        return
    if refused is not None:
        if sent.id in heard_by:
            yield f"{sent.id} was refused ({refused}), and {heard_by[sent.id]} heard it"
        elif sent.id in appended:
            yield f"{sent.id} was refused ({refused}), and is in the topic's order"
    elif view.is_open and sent.id not in came_back:
        yield f"{view.name} never learned what became of {sent.id}"
    must_be = _must_be_refused(view, sent)
    if must_be is None:
        if refused in ("from_mismatch", "reserved_kind", "invalid_json", "invalid_envelope"):
            yield f"{sent.id} was refused without a reason: {refused}"
        return
    if refused not in (None, must_be):
        yield f"{sent.id} was refused as {refused}; it is {must_be}"
    if sent.id in heard_by or sent.id in appended:
        yield f"{sent.id} should have been refused ({must_be}), and was taken"


def _must_be_refused(view: View, sent: Sent) -> str | None:
    """The refusal that needs no knowledge of rights."""
    try:
        envelope = orjson.loads(sent.text)
    except orjson.JSONDecodeError:
        return "invalid_json"
    if envelope["from"] != view.participant:
        return "from_mismatch"
    if envelope["kind"].lower().startswith("system/"):
        return "reserved_kind"
    return None


ALWAYS: Final = frozenset((1000, 1002, 1003, 1007, 1011, 1012, 4408, 4413, 4429, None))


def check_ends(views: Views, revoked: AbstractSet[str], disconnected: AbstractSet[str]) -> Iterator[str]:
    """
    Whether each close code can be true, and who had to be closed is.

    `revoked` and `disconnected` are connections that admins meant.
    """
    for view in views:
        expires = view.opening.expires
        if expires is not None and view.heard and expires < view.opening.at:
            yield f"{view.name} came in with a token that had ended"
        elif expires is not None and view.is_open and views.quiet_at > expires:
            yield f"{view.name} is still open, though its token has ended"
        if not isinstance(view.end, Closed) or view.end.code in ALWAYS:
            continue
        is_true = {
            1009: any(sent.is_too_large for _, sent in view.sent),
            4401: expires is not None and view.end.at >= expires,
            4403: view.name in revoked,
            4410: view.name in disconnected,
        }
        if not is_true.get(view.end.code or 0, False):
            yield f"{view.name} was closed with {view.end.code}, and there was no reason to"
