"""METHOD and CONTEXT say what the payload does, both ways (MCPx 3.1, 4.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.conversation.methods import (
    CONTEXT_MEMBER,
    check_method_and_context,
    context_of,
    is_broadcastable,
    is_notification,
    kind_for,
    same_operation,
)
from schemas import MAX_KIND_BYTES, Kind, KindError, PayloadError
from tests.requirements import spec

METHODS = (
    *CONTEXT_MEMBER,
    "tools/list",
    "ping",
    "notifications/progress",
    "server/discover",
    "completion/complete",
)
FAMILIES = ("mcp/request", "mcp/response", "mcp/proposal", "mcp/reject", "mcp/withdraw")


@spec("mcpx kinds context of a method")
@pytest.mark.parametrize(
    ("method", "params", "kind"),
    [
        ("tools/call", {"name": "read_file", "arguments": {}}, "mcp/request:tools/call:read_file"),
        ("prompts/get", {"name": "greet"}, "mcp/request:prompts/get:greet"),
        ("resources/read", {"uri": "file:///a:b"}, "mcp/request:resources/read:file:///a:b"),
        ("resources/subscribe", {"uri": "x://y"}, "mcp/request:resources/subscribe:x://y"),
        ("resources/unsubscribe", {"uri": "x://y"}, "mcp/request:resources/unsubscribe:x://y"),
        ("resources/read", {"name": "not the uri"}, "mcp/request:resources/read"),
        ("tools/list", {"name": "x"}, "mcp/request:tools/list"),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "x"}},
            "mcp/request:completion/complete",
        ),
        ("ping", {}, "mcp/request:ping"),
        ("tools/call", {}, "mcp/request:tools/call"),
        ("tools/call", {"name": 7}, "mcp/request:tools/call"),
    ],
)
def test_a_kind_carries_the_name_that_its_method_has(method: str, params: dict[str, Any], kind: str) -> None:
    assert str(kind_for("mcp/request", method, params)) == kind


@spec("mcpx kinds name that cannot be a context")
@pytest.mark.parametrize("name", ["two words", "größe", "", "tab\there", "x" * MAX_KIND_BYTES])
def test_a_name_that_cannot_be_a_context_travels_without(name: str) -> None:
    kind = kind_for("mcp/request", "tools/call", {"name": name})

    assert kind == Kind("mcp/request", "tools/call")
    check_method_and_context(kind, "tools/call", {"name": name})


@spec("mcpx kinds name that cannot be a context", "mcpx kinds length")
@given(st.integers(MAX_KIND_BYTES - 40, MAX_KIND_BYTES))
def test_a_name_has_a_context_under_every_family_or_under_none(length: int) -> None:
    params = {"name": "x" * length}

    assert len({kind_for(family, "tools/call", params).context for family in FAMILIES}) == 1


@pytest.mark.parametrize("method", ["a:b", "", "a b", "tools/*", "größe"])
def test_a_method_that_cannot_stand_in_a_kind_is_refused(method: str) -> None:
    with pytest.raises(KindError):
        kind_for("mcp/request", method, None)


@spec("MCPx 4.3 method matches")
def test_a_kind_that_names_another_method_is_refused() -> None:
    with pytest.raises(PayloadError, match="tools/call"):
        check_method_and_context(Kind.parse("mcp/request:tools/list"), "tools/call", {"name": "rm"})


@spec("MCPx 4.3 context matches")
@pytest.mark.parametrize(
    ("kind", "method", "params"),
    [
        ("mcp/request:tools/call:safe", "tools/call", {"name": "dangerous"}),
        ("mcp/request:tools/call:safe", "tools/call", {}),
        ("mcp/request:tools/call:safe", "tools/call", {"name": ["safe"]}),
        ("mcp/request:tools/call:safe", "tools/call", {"name": "Safe"}),
        ("mcp/request:tools/call:safe", "tools/call", {"name": "safe "}),
        ("mcp/request:resources/read:a", "resources/read", {"name": "a"}),
        ("mcp/proposal:prompts/get:a", "prompts/get", {"name": "b"}),
    ],
)
def test_a_kind_that_names_something_else_is_refused(kind: str, method: str, params: dict[str, Any]) -> None:
    with pytest.raises(PayloadError, match="another"):
        check_method_and_context(Kind.parse(kind), method, params)


@spec("mcpx kinds unexpected context")
@pytest.mark.parametrize("method", ["tools/list", "ping", "notifications/progress", "completion/complete"])
def test_a_context_where_none_belongs_is_refused(method: str) -> None:
    with pytest.raises(PayloadError, match="no context"):
        check_method_and_context(Kind("mcp/request", method, "x"), method, {"name": "x", "uri": "x"})


def test_a_kind_without_context_passes_for_any_name() -> None:
    check_method_and_context(Kind.parse("mcp/request:tools/call"), "tools/call", {"name": "read_file"})


@given(
    st.sampled_from(FAMILIES),
    st.sampled_from(METHODS),
    st.dictionaries(
        st.sampled_from(["name", "uri", "other"]), st.one_of(st.text(), st.integers(), st.none())
    ),
)
def test_what_is_derived_passes_the_check_and_survives_the_wire(
    family: str, method: str, params: dict[str, Any]
) -> None:
    kind = kind_for(family, method, params)

    check_method_and_context(kind, method, params)
    assert Kind.parse(str(kind)) == kind
    assert context_of(method, params) == kind.context


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_kind_for_one_tool_never_passes_for_another(claimed: str, called: str) -> None:
    kind = kind_for("mcp/request", "tools/call", {"name": claimed})
    if kind.context is None or claimed == called:
        return

    with pytest.raises(PayloadError):
        check_method_and_context(kind, "tools/call", {"name": called})


def test_lists_and_discovery_may_be_asked_of_everybody() -> None:
    assert is_broadcastable("tools/list")
    assert is_broadcastable("resources/templates/list")
    assert is_broadcastable("server/discover")
    assert not is_broadcastable("tools/call")
    assert not is_broadcastable("list")


def test_a_notification_is_known_by_its_kind() -> None:
    assert is_notification(Kind.parse("mcp/request:notifications/progress"))
    assert not is_notification(Kind.parse("mcp/request:tools/call:notifications/x"))
    assert not is_notification(Kind.parse("mcp/proposal:notifications/progress"))


def test_an_operation_is_the_same_under_another_family_and_no_other_name() -> None:
    one = Kind.parse("mcp/proposal:tools/call:x")

    assert same_operation(one, Kind.parse("mcp/request:tools/call:x"))
    assert not same_operation(one, Kind.parse("mcp/request:tools/call"))
    assert not same_operation(one, Kind.parse("mcp/request:tools/call:y"))


def test_the_longest_name_that_every_family_can_carry_is_a_context() -> None:
    room = MAX_KIND_BYTES - len("mcp/response:tools/call:")

    assert context_of("tools/call", {"name": "x" * room}) == "x" * room
    assert context_of("tools/call", {"name": "x" * (room + 1)}) is None
