"""What a bridge decides, without a process: back-off, environment, eras, ids, tools, subscriptions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import PROTOCOL_VERSION_META_KEY

from participants.bridge.backoff import Backoff
from participants.bridge.environment import child_environment
from participants.bridge.lines import NoMessage, encode_line, parse_line
from participants.bridge.requests import Answer, Ask, Refusal, Subscribers, decide
from participants.bridge.stderr import StderrBudget
from participants.bridge.tools import sound_tools, why_unsound
from participants.eras import Era, ServerFacts, with_envelope
from participants.inner_ids import readdressed, with_progress_token
from participants.pacing import Pace

OLD = ServerFacts(Era.HANDSHAKE, "2025-11-25", {"tools": {"listChanged": True}}, {"name": "old"}, "Be kind.")
NEW = ServerFacts(Era.MODERN, "2026-07-28", {"tools": {}, "resources": {"subscribe": True}}, {"name": "new"})
ASKER = {"name": "alice", "version": ""}


# Back-off


def test_waits_double_from_the_first_to_the_cap() -> None:
    backoff = Backoff(first_s=0.5, cap_s=4.0)
    waits = []
    for _ in range(6):
        backoff = backoff.after_end(0.0)
        waits.append(backoff.wait_s(1.0))

    assert waits == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_server_that_was_up_for_long_begins_anew() -> None:
    backoff = Backoff(stable_s=60.0)
    for _ in range(10):
        backoff = backoff.after_end(1.0)

    assert backoff.after_end(60.0).wait_s(1.0) == Backoff().after_end(0.0).wait_s(1.0)


@given(st.lists(st.floats(0, 1e6)), st.floats(0, 1))
def test_every_wait_lies_between_half_a_step_and_the_cap(ups: list[float], chance: float) -> None:
    backoff = Backoff()
    for up in ups:
        backoff = backoff.after_end(up)

    low, wait, high = backoff.wait_s(0.0), backoff.wait_s(chance), backoff.wait_s(1.0)
    assert low <= wait <= high <= backoff.cap_s
    assert low == high / 2


# Environment


def test_a_server_sees_no_secret_of_the_bridge() -> None:
    outer = {"PATH": "/bin", "HOME": "/root", "MCPX_TOKEN": "t", "AWS_SECRET_ACCESS_KEY": "s", "LC_ALL": "C"}

    assert child_environment(outer) == {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C"}


def test_a_server_sees_what_is_named_and_what_is_given() -> None:
    seen = child_environment({"GITHUB_TOKEN": "g", "OTHER": "o"}, names=("GITHUB_TOKEN",), extra={"X": "1"})

    assert seen == {"GITHUB_TOKEN": "g", "X": "1"}


def test_an_exported_shell_function_is_not_handed_on() -> None:
    assert child_environment({"SHELL": "() { evil; }"}) == {}


# Lines


@pytest.mark.parametrize("id", ["null", "1.5", "true", "[1]", "{}"])
def test_a_request_with_a_bad_id_is_no_notification(id: str) -> None:
    with pytest.raises(NoMessage):
        parse_line(b'{"jsonrpc":"2.0","id":%s,"method":"roots/list"}' % id.encode())


@pytest.mark.parametrize(
    "line", [b"hello\n", b"[]\n", b'{"jsonrpc":"1.0","method":"x"}\n', b"\xff\n", b"[" * 99999]
)
def test_a_line_that_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(NoMessage):
        parse_line(line)


def test_a_message_survives_a_trip_through_its_line() -> None:
    message = parse_line('{"jsonrpc":"2.0","id":"ä","result":{"n":1,"deep":{"x":null}}}'.encode())

    assert parse_line(encode_line(message)) == message


# Decisions


def test_whoever_shakes_hands_is_told_what_the_server_said_when_it_was_met() -> None:
    decision = decide("initialize", {"protocolVersion": "2024-11-05"}, OLD, client=ASKER)

    assert decision == Answer(
        {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "old", "version": ""},
            "instructions": "Be kind.",
        }
    )


def test_a_modern_server_is_introduced_at_the_version_that_was_asked_for() -> None:
    decision = decide("initialize", {"protocolVersion": "2025-06-18"}, NEW, client=ASKER)

    assert isinstance(decision, Answer)
    assert decision.result["protocolVersion"] == "2025-06-18"
    assert decision.result["capabilities"]["resources"] == {"subscribe": False}


@pytest.mark.parametrize("requested", ["2031-01-01", "2026-07-28", None, 5])
def test_a_modern_server_is_introduced_at_the_last_handshake_version_otherwise(requested: Any) -> None:
    decision = decide("initialize", {"protocolVersion": requested}, NEW, client=ASKER)

    assert isinstance(decision, Answer)
    assert decision.result["protocolVersion"] == "2025-11-25"


def test_discovery_of_an_old_server_names_no_modern_version() -> None:
    decision = decide("server/discover", with_envelope(None, client=ASKER), OLD, client=ASKER)

    assert isinstance(decision, Answer)
    assert decision.result["supportedVersions"] == ["2025-11-25"]


def test_an_envelope_is_refused_for_an_old_server_naming_what_it_speaks() -> None:
    decision = decide("tools/list", with_envelope(None, client=ASKER), OLD, client=ASKER)

    assert isinstance(decision, Refusal)
    assert decision.code == -32022
    assert decision.data == {"supported": ["2025-11-25"], "requested": "2026-07-28"}


json_objects = st.dictionaries(
    st.text(max_size=5).filter(lambda name: name != "_meta"),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@given(json_objects)
def test_params_reach_an_old_server_as_they_came(params: dict[str, Any]) -> None:
    assert decide("tools/call", params, OLD, client=ASKER) == Ask(params or None)


@given(json_objects)
def test_params_reach_a_modern_server_as_they_came_but_for_the_envelope(params: dict[str, Any]) -> None:
    decision = decide("tools/call", params, NEW, client=ASKER)

    assert isinstance(decision, Ask)
    assert decision.params is not None
    assert {name: value for name, value in decision.params.items() if name != "_meta"} == params
    assert decision.params["_meta"][PROTOCOL_VERSION_META_KEY] == "2026-07-28"


def test_an_envelope_reaches_a_modern_server_untouched() -> None:
    params = with_envelope({"name": "x"}, client={"name": "theirs", "version": "1"})

    assert decide("tools/call", params, NEW, client=ASKER) == Ask(params)


def test_a_log_level_is_stamped_on_what_a_modern_server_is_asked_later() -> None:
    assert decide("logging/setLevel", {"level": "info"}, NEW, client=ASKER) == Answer({})
    decision = decide("tools/call", {}, NEW, client=ASKER, log_level="info")

    assert isinstance(decision, Ask)
    assert decision.params is not None
    assert decision.params["_meta"]["io.modelcontextprotocol/logLevel"] == "info"


# Ids


def test_a_progress_token_is_replaced_only_where_there_is_one() -> None:
    asked = {"name": "x", "_meta": {"progressToken": "theirs", "other": 1}}

    assert with_progress_token(asked, 7) == {"name": "x", "_meta": {"progressToken": 7, "other": 1}}
    assert with_progress_token({"name": "x"}, 7) == {"name": "x"}
    assert asked["_meta"] == {"progressToken": "theirs", "other": 1}


def test_a_notification_carries_the_ids_of_the_one_who_hears_it() -> None:
    progress = {"progressToken": 7, "progress": 1}
    update = {"uri": "x:y", "_meta": {SUBSCRIPTION_ID_META_KEY: 7}}

    assert readdressed("notifications/progress", progress, request_id="r", progress_token="t") == {
        "progressToken": "t",
        "progress": 1,
    }
    assert readdressed("notifications/resources/updated", update, request_id="r", progress_token=None) == {
        "uri": "x:y",
        "_meta": {SUBSCRIPTION_ID_META_KEY: "r"},
    }


# Tools


GOOD = {"name": "good", "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}}}}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (5, "it is no object"),
        ({"inputSchema": {"type": "object"}}, "it has no name"),
        ({"name": "x" * 129, "inputSchema": {"type": "object"}}, "more than 128"),
        ({"name": "bad"}, "no inputSchema"),
        ({"name": "bad", "inputSchema": None}, "its inputSchema is no object"),
        ({"name": "bad", "inputSchema": {"type": "string"}}, "not of type 'object'"),
        ({"name": "bad", "inputSchema": {"type": "object", "properties": 5}}, "no JSON Schema"),
        ({"name": "bad", "inputSchema": {"type": "object", "required": "a"}}, "no JSON Schema"),
        ({**GOOD, "outputSchema": {"type": 5}}, "its outputSchema is no JSON Schema"),
    ],
)
def test_one_bad_tool_is_left_out_and_the_rest_is_kept(bad: Any, why: str) -> None:
    result, left_out = sound_tools({"tools": [GOOD, bad], "nextCursor": "n"})

    assert result == {"tools": [GOOD], "nextCursor": "n"}
    assert len(left_out) == 1
    assert why in left_out[0][1]


def test_a_sound_list_is_the_very_same_object() -> None:
    listed = {"tools": [GOOD]}

    assert sound_tools(listed) == (listed, [])
    assert sound_tools(listed)[0] is listed


def test_a_schema_of_an_unknown_dialect_is_not_fetched() -> None:
    assert (
        why_unsound({"name": "x", "inputSchema": {"type": "object", "$schema": "http://127.0.0.1:1/no"}})
        is None
    )


# Subscriptions


def test_the_server_stops_telling_when_nobody_is_left_who_asked() -> None:
    subscribers = Subscribers()
    subscribers.add("x:y", "alice")
    subscribers.add("x:y", "bob")

    assert subscribers.of({"uri": "x:y"}) == (("x:y", "alice"), ("x:y", "bob"))
    assert not subscribers.remove("x:y", "alice")
    assert subscribers.remove("x:y", "bob")
    assert subscribers.uris == ()


def test_there_is_a_most_of_subscriptions() -> None:
    subscribers = Subscribers(at_most=2)

    assert subscribers.add("a:", "alice")
    assert subscribers.add("a:", "alice")
    assert subscribers.add("b:", "alice")
    assert not subscribers.add("c:", "alice")
    assert subscribers.uris == ("a:", "b:")
    subscribers.remove("a:", "alice")
    assert subscribers.add("c:", "alice")


# Pace


def test_a_flood_of_progress_leaves_room_for_what_counts() -> None:
    pace = Pace(per_second=10.0, at_once=3.0)

    assert [pace.lets_through("notifications/progress", 0.0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert pace.lets_through("notifications/tools/list_changed", 0.0)
    assert pace.lets_through("notifications/progress", 0.1)
    assert not pace.lets_through("notifications/message", 0.1)
    assert pace.left_out == 3


# Standard error


def test_a_noisy_server_fills_no_log() -> None:
    budget = StderrBudget(lines=2, window_s=10.0)

    assert [budget.spend(0.0) for _ in range(4)] == [(True, 0), (True, 0), (False, 0), (False, 0)]
    assert budget.spend(10.0) == (True, 2)
