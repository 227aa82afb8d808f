"""Every refusal keeps its facts, and says them in one sentence."""

from __future__ import annotations

import pickle

import pytest

from capabilities import (
    PatternError,
    ProfileTaken,
    StillGranted,
    TokenRefusal,
    TokenRefused,
    TokenSettingsError,
    UnknownProfile,
)
from schemas import McpxError
from tests.requirements import spec

ERRORS = (
    PatternError("s*", "it could match a kind that is reserved for the gateway"),
    UnknownProfile("Full"),
    ProfileTaken("full"),
    StillGranted("mcp/request:*", "mcp/*"),
    TokenRefused(TokenRefusal.EXPIRED, "it has expired; get a new one"),
    TokenSettingsError("There is no key to check tokens with"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_that_crosses_a_process_keeps_its_facts(error: McpxError) -> None:
    copied = pickle.loads(pickle.dumps(error))

    assert type(copied) is type(error)
    assert vars(copied) == vars(error)
    assert str(copied) == str(error)


@spec("mcpx refusals sentence")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_one_line_and_has_a_code(error: McpxError) -> None:
    assert str(error)
    assert "\n" not in str(error)
    assert getattr(error, "code", None)


def test_a_long_name_is_cut() -> None:
    assert str(UnknownProfile("x" * 65)) == f"There is no capability profile '{'x' * 64}'"


def test_the_codes_of_refused_tokens_are_stable() -> None:
    assert sorted(TokenRefusal) == [
        "algorithm",
        "audience",
        "bound",
        "capabilities",
        "claim",
        "expired",
        "header",
        "issuer",
        "lifetime",
        "malformed",
        "not_yet",
        "profile",
        "signature",
        "subject",
        "topics",
        "unknown_key",
        "wrong_type",
    ]
