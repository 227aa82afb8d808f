"""
What hypothesis draws: kinds, patterns and sets of capabilities.

Texts are drawn from few words and many edge cases, so that patterns and kinds
drawn apart meet often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

from capabilities import PROFILES, CapabilitySet, Pattern, PatternError
from schemas import Kind

MCP_FAMILIES: Final = ("mcp/request", "mcp/response", "mcp/proposal", "mcp/withdraw", "mcp/reject")
MCP_METHODS: Final = (
    "tools/call",
    "tools/list",
    "resources/read",
    "resources/list",
    "resources/templates/list",
    "prompts/get",
    "notifications/progress",
    "ping",
)
OTHER_FAMILIES: Final = ("chat", "cat", "mcp", "mcp/requests", "Mcp/request", "x-acme/move", "x")
CONTEXTS: Final = ("read_file", "x", "x/list", "file:///etc/hosts", "a:b", ":", "*", "re*d", "tools/list")

_PRINTABLE: Final = "".join(chr(code) for code in range(0x21, 0x7F))
_IN_NAMES: Final = _PRINTABLE.replace(":", "").replace("*", "")


def _contexts() -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.sampled_from(CONTEXTS), st.text(_PRINTABLE, min_size=1, max_size=8))


def mcp_kinds(method: str | None = None) -> st.SearchStrategy[Kind]:
    """Draw kinds of MCP messages (MCPx 3.1, 3.2); with `method`, of that method in any context."""
    methods = st.sampled_from(MCP_METHODS) if method is None else st.just(method)
    return st.builds(Kind, st.sampled_from(MCP_FAMILIES), methods, _contexts())


@st.composite
def kinds(draw: st.DrawFn) -> Kind:
    """Draw any kind that is well-formed, reserved ones included."""
    if draw(st.booleans()):
        return draw(mcp_kinds())
    family = draw(
        st.one_of(
            st.sampled_from((*OTHER_FAMILIES, *MCP_FAMILIES, "system/error", "presence", "SYSTEM")),
            st.text(_IN_NAMES, min_size=1, max_size=8),
        )
    )
    method = draw(
        st.one_of(st.none(), st.sampled_from(MCP_METHODS), st.text(_IN_NAMES, min_size=1, max_size=8))
    )
    return Kind(family, method, None if method is None else draw(_contexts()))


@st.composite
def pattern_texts(draw: st.DrawFn) -> str:
    """Draw a kind's text with some stretches turned into `*`: mostly a capability, else one refused."""
    text = str(draw(kinds()))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + "*" + text[draw(st.integers(start, len(text))) :]
    return text


def patterns() -> st.SearchStrategy[Pattern]:
    """Draw capabilities, most of which grant some of `kinds` and `mcp_kinds`."""
    return pattern_texts().filter(_is_capability).map(Pattern.parse)


def _is_capability(text: str) -> bool:
    try:
        Pattern.parse(text)
    except PatternError:
        return False
    return True


def capability_sets(max_size: int = 5) -> st.SearchStrategy[CapabilitySet]:
    """Draw what a participant may hold, nothing included."""
    return st.lists(patterns().map(str), max_size=max_size).map(CapabilitySet.of)


def read_only_profiles() -> st.SearchStrategy[CapabilitySet]:
    """Draw what lets a participant ask only to read and to list (MCPx 4.1, Read-Only)."""
    asks: Sequence[str] = [
        pattern for pattern in PROFILES["read-only"].patterns if pattern.startswith("mcp/request:")
    ] + ["mcp/request:resources/*", "mcp/request:prompts/list", "mcp/request:resources/read:file://*", "chat"]
    return st.lists(st.sampled_from(asks), min_size=1, unique=True).map(CapabilitySet.of)
