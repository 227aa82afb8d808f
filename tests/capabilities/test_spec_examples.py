"""What MCPx 4 says of capabilities, example by example."""

from __future__ import annotations

import pytest

from capabilities import PROFILES, CapabilitySet, Pattern
from schemas import Kind
from tests.requirements import spec


def grants(pattern: str, kind: str) -> bool:
    return Pattern.parse(pattern).grants(Kind.parse(kind))


@spec("MCPx 4.1 wildcard patterns")
@pytest.mark.parametrize(
    ("pattern", "granted", "denied"),
    [
        (
            "mcp/*",
            ["mcp/request:tools/call", "mcp/response:tools/call:x", "mcp/proposal:resources/read:file:///a"],
            ["chat", "x-acme/move:arm"],
        ),
        (
            "mcp/request:*",
            ["mcp/request:tools/call", "mcp/request:notifications/progress", "mcp/request:prompts/get:x"],
            ["mcp/response:tools/call", "mcp/proposal:tools/call", "chat"],
        ),
        (
            "mcp/request:tools/*",
            ["mcp/request:tools/call", "mcp/request:tools/list", "mcp/request:tools/call:read_file"],
            ["mcp/request:resources/read", "mcp/response:tools/call", "mcp/request:tool"],
        ),
        (
            "mcp/request:resources/*",
            ["mcp/request:resources/read", "mcp/request:resources/list", "mcp/request:resources/subscribe"],
            ["mcp/request:tools/call", "mcp/proposal:resources/read"],
        ),
        (
            "mcp/response:*",
            ["mcp/response:tools/call", "mcp/response:resources/read:file:///a"],
            ["mcp/request:tools/call", "chat"],
        ),
        (
            "mcp/proposal:*",
            ["mcp/proposal:tools/call", "mcp/proposal:tools/call:rm"],
            ["mcp/request:tools/call", "mcp/response:tools/call", "chat"],
        ),
    ],
)
def test_each_wildcard_pattern_grants_what_the_specification_lists(
    pattern: str, granted: list[str], denied: list[str]
) -> None:
    assert [kind for kind in granted if not grants(pattern, kind)] == []
    assert [kind for kind in denied if grants(pattern, kind)] == []


@spec("MCPx 4.2 pattern matching examples")
@pytest.mark.parametrize(
    ("kind", "patterns"),
    [
        (
            "mcp/request:tools/call",
            ["mcp/*", "mcp/request:*", "mcp/request:tools/*", "mcp/request:tools/call"],
        ),
        ("mcp/response:tools/call", ["mcp/*", "mcp/response:*", "mcp/response:tools/*"]),
        ("chat", ["chat"]),
    ],
)
def test_each_kind_of_the_matching_examples_is_granted_by_the_patterns_listed(
    kind: str, patterns: list[str]
) -> None:
    assert [pattern for pattern in patterns if not grants(pattern, kind)] == []


@spec("MCPx 4.2 chat is exact")
@pytest.mark.parametrize("pattern", ["mcp/*", "c*", "ch*t", "cha*", "chat*", "chat:*", "c*:*", "Chat"])
def test_no_other_pattern_grants_chat(pattern: str) -> None:
    assert not grants(pattern, "chat")


REQUEST, PROPOSAL, RESPONSE = (
    "mcp/request:tools/call:x",
    "mcp/proposal:tools/call:x",
    "mcp/response:tools/call:x",
)


@spec("MCPx 4.1 example sets", "mcpx proposals profiles")
@pytest.mark.parametrize(
    ("profile", "granted", "denied"),
    [
        ("full", [REQUEST, PROPOSAL, RESPONSE, "chat"], ["x-acme/go"]),
        ("proposal-only", [PROPOSAL, RESPONSE, "chat"], [REQUEST]),
        ("response-only", [RESPONSE, "chat"], [REQUEST, PROPOSAL]),
        (
            "read-only",
            [
                "mcp/request:resources/read:file:///a",
                "mcp/request:resources/read",
                "mcp/request:tools/list",
                "mcp/request:resources/templates/list",
                RESPONSE,
                "chat",
            ],
            [REQUEST, PROPOSAL, "mcp/request:tools/call:x/list", "mcp/request:resources/subscribe:file:///a"],
        ),
        (
            "tool-only",
            [REQUEST, "mcp/request:tools/list", RESPONSE, "chat"],
            ["mcp/request:resources/read:file:///a", "mcp/response:resources/read", PROPOSAL],
        ),
    ],
)
def test_each_example_set_allows_and_denies_what_the_specification_says(
    profile: str, granted: list[str], denied: list[str]
) -> None:
    held = PROFILES[profile]

    assert [kind for kind in granted if not held.grants(Kind.parse(kind))] == []
    assert [kind for kind in denied if held.grants(Kind.parse(kind))] == []


@spec("MCPx 4.1 example sets", "mcpx proposals profiles")
def test_the_profiles_are_the_sets_of_the_specification() -> None:
    assert {name: list(held.patterns) for name, held in PROFILES.items() if name != "server"} == {
        "full": ["mcp/*", "chat"],
        "proposal-only": ["mcp/proposal:*", "mcp/response:*", "chat"],
        "response-only": ["mcp/response:*", "chat"],
        "read-only": ["mcp/request:resources/read", "mcp/request:*/list", "mcp/response:*", "chat"],
        "tool-only": ["mcp/request:tools/*", "mcp/response:tools/*", "chat"],
    }


@spec("MCPx 4.1 progressive trust")
def test_each_step_of_trust_adds_what_the_specification_says() -> None:
    initial = CapabilitySet.of(["mcp/proposal:*", "chat"])
    basic = initial.union(CapabilitySet.of(["mcp/request:resources/read"]))
    trusted = basic.union(CapabilitySet.of(["mcp/request:tools/*"]))
    full = CapabilitySet.of(["mcp/*", "chat"])
    read, call, other = (
        Kind.parse(f"mcp/request:{method}") for method in ("resources/read", "tools/call", "prompts/get")
    )

    assert [held.grants(read) for held in (initial, basic, trusted, full)] == [False, True, True, True]
    assert [held.grants(call) for held in (initial, basic, trusted, full)] == [False, False, True, True]
    assert [held.grants(other) for held in (initial, basic, trusted, full)] == [False, False, False, True]
    assert full.covers(trusted)
    assert trusted.covers(basic)
    assert basic.covers(initial)
    assert not initial.covers(basic)
