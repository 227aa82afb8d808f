"""Kinds (MCPx 3, 3.1; docs/protocol.md, Kinds)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import MAX_KIND_BYTES, Kind, KindError
from tests.requirements import spec

_PART = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=":*"), min_size=1, max_size=20
)
_CONTEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
KINDS = st.one_of(
    st.builds(Kind, _PART),
    st.builds(Kind, _PART, _PART),
    st.builds(Kind, _PART, _PART, _CONTEXT),
)


@spec("MCPx 3.1 kind format", "mcpx kinds first two colons separate")
def test_only_the_first_two_colons_separate() -> None:
    kind = Kind.parse("mcp/request:resources/read:file:///a:b::c")

    assert kind == Kind("mcp/request", "resources/read", "file:///a:b::c")
    assert str(kind) == "mcp/request:resources/read:file:///a:b::c"


@given(KINDS)
def test_a_kind_survives_a_trip_through_its_wire_form(kind: Kind) -> None:
    assert Kind.parse(str(kind)) == kind


@spec("mcpx kinds case-sensitive")
def test_kinds_that_differ_in_letter_case_differ() -> None:
    assert Kind.parse("mcp/request:tools/call:Read") != Kind.parse("mcp/request:tools/call:read")


@spec("mcpx kinds star in context")
def test_a_star_in_a_context_is_an_ordinary_character() -> None:
    assert Kind.parse("mcp/request:tools/call:*").context == "*"


@spec(
    "mcpx kinds printable ASCII",
    "mcpx kinds no empty part",
    "mcpx kinds star in family or method",
    "mcpx kinds broken kind",
)
@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "chat:",
        ":tools/call",
        "mcp/request::x",
        "mcp/request:tools/call:",
        "mcp/*",
        "*",
        "mcp/request:*",
        "mcp/request:tools/*:x",
        "chat room",
        "chat\t",
        "chat\n",
        "chät",
        "chat\x7f",
        "chat\x00",
        "mcp/request:tools/call:read file",
    ],
)
def test_what_breaks_a_rule_is_no_kind_and_the_error_says_which(text: str) -> None:
    with pytest.raises(KindError, match="is no kind: "):
        Kind.parse(text)


@spec("mcpx kinds length")
def test_a_kind_has_at_most_2048_bytes() -> None:
    assert Kind.parse("x" * MAX_KIND_BYTES).family == "x" * MAX_KIND_BYTES
    with pytest.raises(KindError, match="longer than 2048 bytes"):
        Kind.parse("x" * (MAX_KIND_BYTES + 1))


@spec("mcpx kinds reserved look-alikes")
@pytest.mark.parametrize(
    "text",
    [
        "system",
        "system/welcome",
        "System/presence",
        "SYSTEM",
        "presence",
        "Presence",
        "system:x",
        "sYsTeM/x:y:z",
    ],
)
def test_the_system_namespace_is_reserved_in_any_letter_case(text: str) -> None:
    assert Kind.parse(text).is_reserved


@pytest.mark.parametrize(
    "text", ["chat", "systematic", "mcp/request:system/welcome", "x-system/y", "presences"]
)
def test_what_only_resembles_the_system_namespace_is_not_reserved(text: str) -> None:
    assert not Kind.parse(text).is_reserved


def test_a_fulfillment_keeps_method_and_context_under_another_family() -> None:
    proposal = Kind.parse("mcp/proposal:tools/call:x")

    assert str(proposal.with_family("mcp/request")) == "mcp/request:tools/call:x"
