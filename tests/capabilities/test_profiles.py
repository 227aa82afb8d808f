"""Named sets, built in and from the settings."""

from __future__ import annotations

import pytest

from capabilities import PROFILES, CapabilitySet, PatternError, Profiles, ProfileTaken, UnknownProfile
from schemas import Kind
from tests.requirements import spec


@spec("mcpx proposals server profile")
def test_a_server_answers_tells_its_progress_and_chats() -> None:
    server = PROFILES["server"]

    assert server.patterns == ("mcp/response:*", "mcp/request:notifications/*", "chat")
    assert server.grants(Kind.parse("mcp/request:notifications/progress"))
    assert not server.grants(Kind.parse("mcp/request:tools/call"))


@spec("mcpx proposals profiles by settings")
def test_settings_add_profiles() -> None:
    profiles = Profiles({"docs": ["mcp/request:resources/*", "chat"]})

    assert profiles["docs"] is CapabilitySet.of(["mcp/request:resources/*", "chat"])
    assert profiles["full"] is PROFILES["full"]
    assert list(profiles) == [*PROFILES, "docs"]
    assert len(profiles) == len(PROFILES) + 1
    assert dict(Profiles()) == dict(PROFILES)


@spec("mcpx proposals profiles by settings")
def test_settings_cannot_give_a_built_in_profile_another_meaning() -> None:
    with pytest.raises(ProfileTaken) as refused:
        Profiles({"mine": ["chat"], "read-only": ["mcp/*"]})

    assert str(refused.value) == "The profile 'read-only' is built in; give yours another name"
    assert refused.value.name == "read-only"


@spec("mcpx proposals profiles by settings", "mcpx patterns refusal reason")
def test_a_profile_with_a_refused_pattern_is_refused() -> None:
    with pytest.raises(PatternError) as refused:
        Profiles({"mine": ["chat", "sys*"]})

    assert refused.value.text == "sys*"


@spec("mcpx identity capabilities and profile")
def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(UnknownProfile) as unknown:
        Profiles()["Full"]

    assert str(unknown.value) == "There is no capability profile 'Full'"
    assert unknown.value.name == "Full"
    assert Profiles().get("Full") is None
    assert "Full" not in Profiles()
    assert "full" in Profiles()
