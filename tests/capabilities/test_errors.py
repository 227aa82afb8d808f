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

ERRORS: tuple[tuple[type[McpxError], tuple[str, ...]], ...] = (
    (PatternError, ("s*", "it could match a kind that is reserved for the gateway")),
    (UnknownProfile, ("Full",)),
    (ProfileTaken, ("full",)),
    (StillGranted, ("mcp/request:*", "mcp/*")),
    (TokenRefused, (TokenRefusal.EXPIRED, "it has expired; get a new one")),
    (TokenSettingsError, ("There is no key to check tokens with",)),
)


@pytest.mark.parametrize(("error", "facts"), ERRORS)
def test_an_error_that_crosses_a_process_keeps_its_facts(
    error: type[McpxError], facts: tuple[str, ...]
) -> None:
    raised = error(*facts)
    copied = pickle.loads(pickle.dumps(raised))

    assert type(copied) is error
    assert copied.args == raised.args == facts
    assert vars(copied) == vars(raised)
    assert str(copied) == str(raised)


@spec("mcpx refusals sentence")
@pytest.mark.parametrize(("error", "facts"), ERRORS)
def test_an_error_is_one_line_and_has_a_code(error: type[McpxError], facts: tuple[str, ...]) -> None:
    raised = error(*facts)

    assert str(raised)
    assert "\n" not in str(raised)
    assert getattr(raised, "code", None)


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
