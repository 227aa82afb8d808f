"""Every single envelope: what is refused by itself, what is told, and who is here (MCPx 4.3)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.conversation import (
    Chat,
    Conversation,
    Misbehaved,
    OtherSeen,
    Presence,
    RequestSeen,
    Serve,
    Welcome,
)
from participants.conversation.memory import Misdeeds, SeenIds
from schemas import Envelope
from tests.participants.conversation_topic import START, TopicInMemory
from tests.requirements import spec

CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "safe"}}
RESULT: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "result": {}}


def heard_by_one(kind: str, payload: Any, *, raw: bytes | None = None, **header: Any) -> list[Any]:
    """What a server makes of one envelope from mallory, who may send anything."""
    topic = TopicInMemory()
    files = topic.join("files", "mcp/response:*")
    topic.join("mallory", "mcp/*", "chat")
    members = {
        "protocol": "mcpx/v0.1",
        "id": "env",
        "from": "mallory",
        "to": ["files"],
        "kind": kind,
        "payload": "PAYLOAD",
        **header,
    }
    data = orjson.dumps(members).replace(b'"PAYLOAD"', orjson.dumps(payload) if raw is None else raw)
    return list(files.conversation.receive(data, topic.now))


def refused(steps: list[Any]) -> str:
    (step,) = steps
    assert isinstance(step, Misbehaved), step
    return step.why


@spec("MCPx 4.3 method matches", "MCPx 4.3 context matches")
@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("mcp/request:tools/call:safe", {**CALL, "params": {"name": "dangerous"}}),
        ("mcp/request:tools/list", CALL),
        ("mcp/request:tools/call:safe", {**CALL, "method": "tools/list", "params": {"name": "safe"}}),
        ("mcp/proposal:tools/call:safe", {"method": "tools/call", "params": {"name": "dangerous"}}),
        ("mcp/proposal:tools/call", {"method": "tools/list"}),
        ("mcp/request:notifications/progress", {"jsonrpc": "2.0", "method": "notifications/cancelled"}),
    ],
)
def test_a_payload_that_does_what_its_kind_does_not_say_is_refused(
    kind: str, payload: dict[str, Any]
) -> None:
    assert "kind says" in refused(heard_by_one(kind, payload))


@spec("mcpx kinds unexpected context")
def test_a_context_on_a_method_that_has_none_is_refused() -> None:
    assert "no context" in refused(heard_by_one("mcp/request:tools/list:x", {**CALL, "method": "tools/list"}))


@spec("MCPx 4.3 structure")
@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("mcp/request:tools/call:safe", {}),
        ("mcp/request:tools/call:safe", {**CALL, "jsonrpc": "1.0"}),
        ("mcp/request:tools/call:safe", {**CALL, "id": None}),
        ("mcp/request:tools/call:safe", {**CALL, "id": True}),
        ("mcp/request:tools/call:safe", {**CALL, "id": 1.0}),
        ("mcp/request:tools/call:safe", {**CALL, "id": "x" * 1025}),
        ("mcp/request:tools/call:safe", {**CALL, "params": ["safe"]}),
        ("mcp/request:tools/call:safe", {**CALL, "result": {}}),
        ("mcp/request:notifications/progress", {**CALL, "method": "notifications/progress"}),
        ("mcp/request:tools/call:safe", {name: CALL[name] for name in ("jsonrpc", "method", "params")}),
        ("mcp/request", CALL),
        ("mcp/response:tools/call:safe", RESULT),
        ("mcp/proposal:tools/call:safe", {"params": {"name": "safe"}}),
        ("chat", {}),
        ("chat", {"text": 1}),
        ("chat", {"text": "hi", "format": "html"}),
    ],
)
def test_what_is_not_well_formed_is_dropped_and_reported(kind: str, payload: dict[str, Any]) -> None:
    refused(heard_by_one(kind, payload))


@pytest.mark.parametrize(
    "payload",
    [
        {**RESULT, "error": {"code": 1, "message": "both"}},
        {**RESULT, "method": "tools/call"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "result": None},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": "1", "message": "x"}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1.5, "message": "x"}},
    ],
)
def test_a_response_brings_one_result_or_one_error(payload: dict[str, Any]) -> None:
    refused(heard_by_one("mcp/response:tools/call:safe", payload, correlation_id="env-1"))


@pytest.mark.parametrize(
    ("kind", "payload"), [("mcp/request:tools/call:safe", CALL), ("mcp/response:tools/call:safe", RESULT)]
)
def test_a_credential_in_a_json_rpc_message_is_refused(kind: str, payload: dict[str, Any]) -> None:
    steps = heard_by_one(kind, {**payload, "auth": {"token": "secret"}}, correlation_id="env-1")

    assert "'auth'" in refused(steps)
    assert "secret" not in str(steps)


@spec("mcpx proposals duplicate keys")
@pytest.mark.parametrize(
    "raw",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe"},"params":{"name":"x"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"dangerous","name":"safe"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","a":[{"b":{"c":1,"c":2}}]}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","\\u006eame":"x"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","a":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","a":"\\ud800"}}',
    ],
)
def test_a_payload_that_two_readers_would_read_differently_is_refused(raw: bytes) -> None:
    refused(heard_by_one("mcp/request:tools/call:safe", None, raw=raw))


@spec("mcpx proposals parsed not copied")
def test_what_is_passed_on_is_what_was_parsed() -> None:
    raw = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"s\\u0061fe","n":1e2}}'

    seen, serve = heard_by_one("mcp/request:tools/call:safe", None, raw=raw)

    assert isinstance(seen, RequestSeen)
    assert isinstance(serve, Serve)
    assert serve.request.params == {"name": "safe", "n": 100.0}
    assert not any(isinstance(getattr(serve.request, name), bytes) for name in serve.request.__slots__)


def test_a_kind_that_leaves_no_room_for_an_answer_is_refused() -> None:
    name = "x" * (2048 - len("mcp/request:tools/call:"))

    steps = heard_by_one(f"mcp/request:tools/call:{name}", {**CALL, "params": {"name": name}})

    assert "answer" in refused(steps)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"\xff", b'{"protocol":"mcpx/v0.2"}', b"null", b"9" * 5000]
)
def test_what_cannot_be_read_is_counted_under_no_name(data: bytes) -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "chat")

    assert isinstance(ann.conversation.receive(data, topic.now)[0], Misbehaved)
    assert dict(ann.conversation.misbehaviour) == {"": 1}


@spec("MCPx 4.3 structure")
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_nothing_that_arrives_raises(data: bytes) -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "chat")

    ann.conversation.receive(data, topic.now)


MEMBERS = (
    *("jsonrpc", "id", "method", "params", "name", "result", "error", "code", "message", "text", "you"),
    *("participants", "participant", "event", "capabilities", "reason", "expiresAt", "requestId"),
)
PAYLOADS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
KINDS = (
    "mcp/request:tools/call:x",
    "mcp/request:notifications/progress",
    "mcp/request:notifications/cancelled",
    "mcp/response:tools/call",
    "mcp/proposal:tools/call",
    "mcp/reject:tools/call",
    "mcp/withdraw:tools/call",
    "chat",
    "system/welcome",
    "system/presence",
    "system/error",
    "system/other",
    "x-acme/thing",
    "chat:x",
    "mcp/other:x",
    "mcp/request",
)


@spec("MCPx 4.3 structure")
@given(st.lists(st.tuples(st.sampled_from(KINDS), PAYLOADS, st.booleans(), st.booleans()), max_size=5))
def test_no_payload_under_any_kind_raises(history: list[tuple[str, Any, bool, bool]]) -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*", "chat")
    for number, (kind, payload, from_gateway, correlated) in enumerate(history):
        try:
            encoded = orjson.dumps(payload if isinstance(payload, dict) else {"text": payload})
        except TypeError:
            continue
        sender = "system:gateway" if from_gateway else "mallory"
        header: dict[str, Any] = {
            "protocol": "mcpx/v0.1",
            "id": f"env-{number}",
            "from": sender,
            "kind": kind,
        }
        if correlated:
            header["correlation_id"] = f"env-{number - 1}"
        data = orjson.dumps({**header, "to": ["ann"], "payload": "P"}).replace(b'"P"', encoded)
        ann.conversation.receive(data, topic.now)


# Doubles


@spec("mcpx envelope doubles")
def test_the_first_envelope_of_an_id_counts_and_a_second_is_dropped() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*", "chat")
    bob = topic.join("bob", "mcp/*", "chat")

    bob.forge("chat", {"text": "first"}, id="same")
    bob.forge("chat", {"text": "second"}, id="same")

    assert ann.only(Chat).text == "first"
    assert ann.complaints == []


@spec("mcpx envelope doubles")
def test_who_uses_the_id_of_another_is_reported_and_changes_nothing() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    files = topic.join("files", "mcp/response:*")
    mallory = topic.join("mallory", "mcp/*")
    call = ann.call("files", "safe")

    mallory.forge("mcp/request:tools/call:safe", {**CALL, "id": 99}, to=["mallory"], id=call.id)
    files.respond()

    assert ann.end_of(call) is not None
    assert dict(files.conversation.misbehaviour) == {"mallory": 1}


@spec("mcpx envelope doubles", "MCPx 8.2 presence tracked")
def test_who_guesses_an_id_of_the_gateway_makes_nobody_deaf_to_it() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "chat")
    bob = topic.join("bob", "chat")
    mallory = topic.join("mallory", "chat")

    next_of_the_gateway = f"env-{int(topic.new_id().removeprefix('env-')) + 2}"
    mallory.forge("chat", {"text": "first"}, id=next_of_the_gateway)
    topic.new_id()
    topic.leave(bob)

    assert ann.all(Presence)[-1].id == next_of_the_gateway
    assert set(ann.conversation.roster) == {"ann", "mallory"}


@spec("mcpx envelope doubles")
@given(st.lists(st.integers(0, 40), max_size=200), st.integers(1, 20))
def test_the_window_of_ids_is_bounded_and_exact_within(ids: list[int], limit: int) -> None:
    window = SeenIds(limit)
    order: list[int] = []
    for id in ids:
        known = window.first_sender(str(id), "ann")
        assert (known is not None) == (id in order[-limit:])
        if known is None:
            order.append(id)


@spec("MCPx 4.3 misbehaviour counted")
def test_misdeeds_are_counted_for_a_bounded_number_of_senders() -> None:
    misdeeds = Misdeeds(limit=2)
    for sender in ("ann", "bob", "ann", "carl"):
        misdeeds.count(sender)

    assert dict(misdeeds.counts) == {"ann": 2, "carl": 1}


# What is told


@spec("MCPx 3.3 chat")
@pytest.mark.parametrize(
    ("payload", "format"), [({"text": "hi"}, "plain"), ({"text": "*", "format": "markdown"}, "markdown")]
)
def test_chat_is_plain_unless_it_says_markdown(payload: dict[str, Any], format: str) -> None:
    (chat,) = heard_by_one("chat", payload)

    assert isinstance(chat, Chat)
    assert (chat.text, chat.format, chat.sender) == (payload["text"], format, "mallory")


@spec("mcpx kinds unknown ignored")
@pytest.mark.parametrize(
    "kind", ["x-acme/move", "x-acme/move:a:b", "mcp/other:x", "chat:loud", "MCP/request:x"]
)
def test_a_kind_without_meaning_is_told_and_nothing_else(kind: str) -> None:
    (seen,) = heard_by_one(kind, {"anything": [1]})

    assert isinstance(seen, OtherSeen)
    assert seen.payload == {"anything": [1]}


def test_an_event_says_who_sent_what_to_whom() -> None:
    (chat,) = heard_by_one("chat", {"text": "hi"}, correlation_id="env-0", ts="2025-08-26T14:00:00Z")

    assert (chat.id, chat.to, chat.correlation_id, chat.ts) == (
        "env",
        ("files",),
        "env-0",
        "2025-08-26T14:00:00Z",
    )
    assert str(chat.kind) == "chat"


# Who is here


@spec("MCPx 8.2 presence tracked")
def test_welcome_and_presence_make_the_roster() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    bob = topic.join("bob", "chat")
    assert {peer.id: peer.capabilities.patterns for peer in bob.conversation.roster.values()} == {
        "ann": ("mcp/*",),
        "bob": ("chat",),
    }

    topic.promote(ann, "chat")
    topic.join("carl", "chat")
    topic.leave(ann)

    assert set(bob.conversation.roster) == {"bob", "carl"}
    assert [(seen.event, seen.peer.id) for seen in bob.all(Presence)] == [
        ("join", "bob"),
        ("join", "ann"),
        ("join", "carl"),
        ("leave", "ann"),
    ]


@spec("MCPx 8.2 presence tracked")
def test_presence_tells_an_update_of_one_who_is_here_from_a_newcomer() -> None:
    topic = TopicInMemory()
    bob = topic.join("bob", "chat")
    ann = topic.join("ann", "mcp/*")
    topic.join("ann", "mcp/*")
    topic.promote(ann, "chat")
    topic.leave(ann)
    topic.leave(topic.members["ann 2"])

    told = [(seen.event, seen.before and seen.before.capabilities.patterns) for seen in bob.all(Presence)]
    assert told == [
        ("join", ("chat",)),  # its own, after its welcome
        ("join", None),
        ("join", ("mcp/*",)),
        ("join", ("mcp/*",)),
        ("leave", ("chat",)),
    ]
    assert set(bob.conversation.roster) == {"bob"}


@spec("MCPx 6.2 welcome respected")
def test_a_fresh_welcome_replaces_the_capabilities() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/proposal:*")
    topic.promote(ann, "mcp/*")

    assert ann.conversation.capabilities.patterns == ("mcp/*",)
    assert len(ann.all(Welcome)) == 2


def test_nothing_counts_before_the_welcome() -> None:
    topic = TopicInMemory()
    topic.join("ann", "mcp/*").ask("bob", "ping", {})
    conversation = Conversation("ops", new_id=topic.new_id)

    for frame in topic.members["ann"].frames[1:]:
        assert isinstance(conversation.receive(frame, START)[0], Misbehaved)
    assert conversation.id is None


def test_the_welcome_of_another_changes_nothing() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "chat")
    bob = topic.join("bob", "mcp/*")

    (step,) = ann.conversation.receive(bob.frames[0], topic.now)

    assert isinstance(step, OtherSeen)
    assert ann.conversation.capabilities.patterns == ("chat",)
    assert ann.complaints == []


def test_a_pattern_that_is_none_grants_nothing_and_hides_no_other() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "chat")
    payload = {"event": "join", "participant": {"id": "bob", "capabilities": ["*", "system/*", "chat", ""]}}
    topic._system("system/presence", payload)

    assert ann.conversation.roster["bob"].capabilities.patterns == ("chat",)


def test_every_frame_of_a_topic_reads_as_an_envelope() -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    ann.call("ann", "safe")

    assert [Envelope.parse(frame).ts for frame in ann.frames] == ["2025-08-26T14:00:00.000Z"] * len(
        ann.frames
    )
