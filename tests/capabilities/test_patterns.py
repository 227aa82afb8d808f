"""How a pattern grants kinds, rule by rule (MCPx 4.1, Wildcard Patterns)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities import CapabilitySet, Pattern, PatternError
from schemas import Kind
from tests.requirements import spec
from tests.strategies import capability_sets, kinds, mcp_kinds, patterns, read_only_profiles


def granted(pattern: str, *kinds: str) -> list[str]:
    return [kind for kind in kinds if Pattern.parse(pattern).grants(Kind.parse(kind))]


@spec("mcpx patterns part by part")
@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("mcp/request:tools/call:read_file", "mcp/request:tools/call:read_file"),
        ("mcp/request:*/call:read_*", "mcp/request:tools/call:read_file"),
        ("m*/request:t*s/call:*_file", "mcp/request:tools/call:read_file"),
        ("mcp/request:resources/read:file://*", "mcp/request:resources/read:file:///etc/hosts"),
        ("mcp/request:resources/read:file:///etc/*", "mcp/request:resources/read:file:///etc/hosts:22:x"),
        ("mcp/request:resources/read:*://docs/a", "mcp/request:resources/read:https://docs/a"),
        ("x-acme/*:go", "x-acme/arm/left:go"),
        ("mcp/request:tools/call:a*b*c", "mcp/request:tools/call:abxbc"),
        ("mcp/request:tools/call:a*b", "mcp/request:tools/call:ab"),
        ("mcp/request:tools/call:re*d", "mcp/request:tools/call:re*d"),
    ],
)
def test_a_kind_is_granted_when_each_part_fits_its_own(pattern: str, kind: str) -> None:
    assert granted(pattern, kind) == [kind]


@spec("mcpx patterns part by part")
@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("mcp/request:tools/call", "mcp/request:tools/calls"),
        ("mcp/request:tools/call", "mcp/request:tools"),
        ("mcp/request:tools/call", "mcp/requests:tools/call"),
        ("mcp/request:tools/call", "Mcp/request:tools/call"),
        ("mcp/request:tools/call:read_file", "mcp/request:tools/call:read_file2"),
        ("mcp/request:tools/call:read_file", "mcp/request:tools/call:Read_file"),
        ("mcp/request:tools/call:ab*bc", "mcp/request:tools/call:abc"),
        ("mcp/request:tools/call:a*b*c", "mcp/request:tools/call:acb"),
        ("mcp/request:tools/call:*b*b*", "mcp/request:tools/call:ab"),
        ("mcp/request:tools/call:a*bb*b", "mcp/request:tools/call:abb"),
        ("mcp/request:tools/call:x*a", "mcp/request:tools/call:a"),
        ("mcp/*:tools/call", "mcp/request:tools/list"),
        ("mcp/*est:tools/call", "mcp/response:tools/call"),
    ],
)
def test_a_kind_is_not_granted_when_one_part_does_not_fit(pattern: str, kind: str) -> None:
    assert granted(pattern, kind) == []


@spec("mcpx patterns final star")
def test_a_final_star_matches_any_remainder_an_empty_one_and_further_parts_included() -> None:
    assert granted("mcp/*", "mcp/", "mcp/x", "mcp/request:a", "mcp/request:a:b:c", "mcp") == [
        "mcp/",
        "mcp/x",
        "mcp/request:a",
        "mcp/request:a:b:c",
    ]
    assert granted("mcp/request:*", "mcp/request:a", "mcp/request:a:b", "mcp/request") == [
        "mcp/request:a",
        "mcp/request:a:b",
    ]
    assert granted("mcp/request:tools/*", "mcp/request:tools/", "mcp/request:tools/x:y:z") == [
        "mcp/request:tools/",
        "mcp/request:tools/x:y:z",
    ]
    assert granted("a:b:read*", "a:b:read", "a:b:read_file", "a:b:read:x", "a:b:r") == [
        "a:b:read",
        "a:b:read_file",
        "a:b:read:x",
    ]


@spec("mcpx patterns inner star")
def test_an_inner_star_crosses_a_slash_and_never_a_colon() -> None:
    assert granted("mcp/request:*/list", "mcp/request:resources/templates/list") != []
    assert granted("mcp/re*st:ping", "mcp/re/que/st:ping", "mcp/re:st:ping") == ["mcp/re/que/st:ping"]
    assert granted("a:b:x*z", "a:b:xyz", "a:b:x/y/z", "a:b:x:z", "a:b:xy:yz") == ["a:b:xyz", "a:b:x/y/z"]
    assert granted("a:b:*://h/*", "a:b:http://h/a:b", "a:b:x:y://h/") == ["a:b:http://h/a:b"]


@spec("mcpx patterns inner star and context")
def test_a_context_that_looks_like_a_method_grants_nothing() -> None:
    listing = ["mcp/request:tools/list", "mcp/request:tools/list:y"]

    assert granted("mcp/request:*/list", "mcp/request:tools/call:x/list", *listing) == listing


@spec("mcpx patterns inner star and context")
@given(read_only_profiles(), mcp_kinds(method="tools/call"))
def test_no_context_talks_a_read_only_profile_into_a_tool_call(profile: CapabilitySet, kind: Kind) -> None:
    assert not profile.grants(kind)


@spec("mcpx patterns method grants every context")
def test_a_method_without_context_grants_every_context_of_that_method() -> None:
    every = [f"mcp/request:tools/call{context}" for context in ("", ":x", ":a:b", "::")]

    assert granted("mcp/request:tools/call", *every) == every


@spec("mcpx patterns context never grants bare kind")
@pytest.mark.parametrize("context", ["x", "*", "**", "x*", "*x"])
def test_a_pattern_with_a_context_never_grants_the_kind_without_one(context: str) -> None:
    assert granted(f"mcp/request:tools/call:{context}", "mcp/request:tools/call") == []


@spec("mcpx patterns context never grants bare kind")
def test_a_pattern_with_a_context_and_no_final_star_grants_no_longer_context() -> None:
    assert granted("a:b:c", "a:b:c", "a:b:c:d", "a:b", "a:b:c:") == ["a:b:c"]
    assert granted("a:b:c:d", "a:b:c:d", "a:b:c", "a:b:c:d:e") == ["a:b:c:d"]


@spec("mcpx patterns family alone")
@pytest.mark.parametrize("pattern", ["mcp/request", "mcp/re*t", "x*t"])
def test_a_family_alone_grants_that_bare_kind_alone(pattern: str) -> None:
    bare = pattern.replace("*", "ques")

    assert granted(pattern, bare, f"{bare}:ping", f"{bare}:tools/call:x") == [bare]


@spec("MCPx 4.2 chat is exact")
def test_chat_grants_chat_and_no_kind_beside_it() -> None:
    assert granted("chat", "chat", "chat:x", "chats", "Chat", "cha") == ["chat"]
    assert granted("chat:x", "chat", "chat:x", "chat:x:y") == ["chat:x", "chat:x:y"]


@spec("MCPx 4.2 chat is exact")
def test_a_wildcard_that_reads_like_chat_grants_its_neighbours() -> None:
    assert granted("c*", "cat", "chat", "chats", "chat:x") == ["cat", "chats", "chat:x"]
    assert granted("ch*t", "cht", "chat", "chart", "chaat") == ["cht", "chart", "chaat"]


@spec("MCPx 4.2 chat is exact")
@given(patterns())
def test_only_the_pattern_chat_grants_chat(pattern: Pattern) -> None:
    assert pattern.grants(Kind.parse("chat")) == (str(pattern) == "chat")


@spec("mcpx patterns proposal grants withdraw")
def test_whoever_may_propose_may_withdraw_the_same() -> None:
    assert granted(
        "mcp/proposal:tools/call:x",
        "mcp/withdraw:tools/call:x",
        "mcp/withdraw:tools/call:y",
        "mcp/withdraw:tools/call",
        "mcp/reject:tools/call:x",
        "mcp/withdraw",
    ) == ["mcp/withdraw:tools/call:x"]


@spec("mcpx patterns request grants reject")
def test_whoever_may_request_may_reject_the_same() -> None:
    assert granted(
        "mcp/request:tools/*",
        "mcp/reject:tools/call:x",
        "mcp/reject:tools/call",
        "mcp/reject:prompts/get",
        "mcp/withdraw:tools/call:x",
        "mcp/reject",
    ) == ["mcp/reject:tools/call:x", "mcp/reject:tools/call"]


@spec("mcpx patterns proposal grants withdraw", "mcpx patterns request grants reject")
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("mcp/pro*", "withdraw:ping withdraw:ping:x"),
        ("mcp/*", "withdraw:ping withdraw:ping:x reject:ping withdraw"),
        ("mcp/p*l:p*", "withdraw:ping withdraw:ping:x"),
        ("mcp/p*l", ""),
        ("mcp/proposal", ""),
        ("mcp/re*", "reject:ping"),
        ("mcp/req*", "reject:ping"),
        ("mcp/req*t:ping", "reject:ping"),
        ("mcp/response:*", ""),
        ("mcp/withdraw:*", "withdraw:ping withdraw:ping:x"),
    ],
)
def test_what_comes_along_follows_wildcards_in_the_family(pattern: str, expected: str) -> None:
    kinds = ["mcp/withdraw:ping", "mcp/withdraw:ping:x", "mcp/reject:ping", "mcp/withdraw"]

    assert granted(pattern, *kinds) == [f"mcp/{kind}" for kind in expected.split()]


@spec("mcpx patterns proposal grants withdraw", "mcpx patterns request grants reject")
@given(patterns(), mcp_kinds())
def test_withdraw_and_reject_come_with_proposal_and_request(pattern: Pattern, kind: Kind) -> None:
    if pattern.grants(kind.with_family("mcp/proposal")):
        assert pattern.grants(kind.with_family("mcp/withdraw"))
    if pattern.grants(kind.with_family("mcp/request")):
        assert pattern.grants(kind.with_family("mcp/reject"))


@spec("mcpx patterns nothing grants reserved kinds")
@given(capability_sets(), kinds())
def test_no_set_grants_a_reserved_kind(held: CapabilitySet, kind: Kind) -> None:
    assert not (held.grants(kind) and kind.is_reserved)


@given(kinds())
def test_the_text_of_a_kind_that_is_not_reserved_is_a_capability_that_grants_it(kind: Kind) -> None:
    if kind.is_reserved:
        with pytest.raises(PatternError):
            Pattern.parse(str(kind))
    else:
        assert Pattern.parse(str(kind)).grants(kind)


@given(patterns())
def test_a_pattern_survives_a_trip_through_its_text(pattern: Pattern) -> None:
    assert Pattern.parse(str(pattern)) == pattern
    assert str(Pattern.parse(str(pattern))) == pattern.text


# What is refused where it enters.

RESERVED = "it could match a kind that is reserved for the gateway"
EMPTY_PART = "it can never match: one of its parts is empty"
NO_KIND = "it can never match: kinds are printable ASCII without spaces"


@spec("mcpx patterns refused reserved", "mcpx patterns refusal reason")
@pytest.mark.parametrize(
    "text",
    [
        "s*",
        "S*",
        "sys*",
        "Sys*",
        "sYsTeM*",
        "system*",
        "system/*",
        "system/welcome",
        "SYSTEM/x",
        "system",
        "system:*",
        "system:a:b",
        "s**",
        "system/",
        "p*",
        "pres*",
        "PRES*",
        "presence",
        "Presence",
        "presence/x",
        "presence*",
        "p*e:x",
        "*ence",
        "Presence:join",
        "presence:*:x",
        "p*/x:y:z*",
        "*m",
        "*/error",
        "*y*",
        "s*m",
        "s*/error:x",
        "*:tools/call",
        "*/",
        "**x",
        "*:*",
        "*x:y",
    ],
)
def test_a_pattern_that_could_match_a_reserved_kind_is_refused(text: str) -> None:
    with pytest.raises(PatternError) as refused:
        Pattern.parse(text)

    assert (refused.value.text, refused.value.why) == (text, RESERVED)


@spec("mcpx patterns refused reserved")
@pytest.mark.parametrize(
    "text",
    [
        "systems",
        "systems*",
        "system-x/*",
        "presences",
        "presence-x*",
        "x/system/*",
        "mcp/system",
        "sx*",
        "pr-*",
        "sx*s",
        "x*m",
    ],
)
def test_a_pattern_that_only_looks_reserved_is_accepted(text: str) -> None:
    assert str(Pattern.parse(text)) == text


@spec("mcpx patterns refused bare star", "mcpx patterns refusal reason")
@pytest.mark.parametrize("text", ["*", "**", "*****"])
def test_the_bare_star_is_refused(text: str) -> None:
    with pytest.raises(PatternError) as refused:
        Pattern.parse(text)

    assert (refused.value.text, refused.value.why) == (
        text,
        "a bare '*' would grant everything; name what is meant",
    )


@spec("mcpx patterns refused bare star")
@pytest.mark.parametrize("text", ["X", "X*", "x*"])
def test_a_star_beside_one_letter_is_not_bare(text: str) -> None:
    assert granted(text, text.replace("*", "")) == [text.replace("*", "")]


@spec("mcpx patterns refused empty", "mcpx patterns refusal reason")
def test_the_empty_pattern_is_refused() -> None:
    with pytest.raises(PatternError) as refused:
        Pattern.parse("")

    assert str(refused.value) == "'' is no capability: it is empty"


@spec("mcpx patterns refused never matching", "mcpx patterns refusal reason")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        *(
            (text, EMPTY_PART)
            for text in ["mcp/request:", ":tools/call", "mcp/request::x", "a:b:", ":", "::", "a::*"]
        ),
        *((text, NO_KIND) for text in ("tools call", "chat ", " chat", "mcp/\t*", "chat\n", "a\x7f")),
        *((text, NO_KIND) for text in ("café", "ch\u0430t", "\u017fystem", "\ud800")),
        ("m" * 2049, "it can never match: kinds have at most 2048 bytes"),
    ],
)
def test_a_pattern_that_can_never_match_is_refused(text: str, why: str) -> None:
    with pytest.raises(PatternError) as refused:
        Pattern.parse(text)

    assert (refused.value.text, refused.value.why) == (text, why)


@spec("mcpx patterns refused never matching")
def test_a_pattern_as_long_as_the_longest_kind_is_accepted() -> None:
    longest = "m" * 2048

    assert Pattern.parse(longest).grants(Kind.parse(longest))


@spec("mcpx patterns refusal reason")
def test_the_refusal_of_a_long_pattern_names_its_beginning() -> None:
    with pytest.raises(PatternError) as refused:
        Pattern.parse("system/" + "x" * 100)

    assert str(refused.value) == f"'system/{'x' * 57}' is no capability: {RESERVED}"
    assert refused.value.code == "invalid_pattern"


@given(st.integers(2, 200))
def test_a_pattern_made_to_be_slow_is_not(stars: int) -> None:
    hostile = Pattern.parse("x:y:" + "*a" * stars)

    assert not hostile.grants(Kind.parse("x:y:" + "a" * 1500 + "b"))
