"""Which tokens open what (RFC 7519, RFC 8725)."""

from __future__ import annotations

from typing import Any

import pytest

from capabilities import CapabilitySet, TokenRefusal, TokenRefused
from tests.capabilities.signing import NOW, READER, claims, encode
from tests.requirements import spec


def refusal(token: str, now: float = NOW) -> TokenRefusal:
    """Return the code with which a participant's token is refused."""
    with pytest.raises(TokenRefused) as refused:
        READER.read_participant(token, now)
    assert token not in str(refused.value)
    return refused.value.code


def test_a_participants_token_says_who_where_and_what() -> None:
    read = READER.read_participant(encode(claims()), NOW)

    assert (read.id, read.topics, read.roles, read.jti, read.act) == ("alice", ("ops",), (), "token-1", None)
    assert (read.iat, read.exp) == (NOW, NOW + 3600)
    assert read.capabilities is CapabilitySet.of(["mcp/proposal:*", "chat"])


@spec("mcpx identity required claims")
@pytest.mark.parametrize("name", ["iss", "sub", "aud", "iat", "exp", "jti", "topics", "capabilities"])
@pytest.mark.parametrize("value", [..., None, 5j, {}, True])
def test_a_required_claim_may_neither_be_missing_nor_of_another_type(name: str, value: Any) -> None:
    value = "text" if value == 5j and name in {"iat", "exp", "topics", "capabilities"} else value
    value = 5 if value == 5j else value

    assert refusal(encode(claims(**{name: value}))) is TokenRefusal.CLAIM
