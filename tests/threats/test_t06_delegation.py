"""T6: delegation widens rights. There is none yet: what would carry it is refused, not ignored."""

from __future__ import annotations

import pytest

from tests.conformance.topic_under_test import TopicUnderTest
from tests.threats.foreign_tokens import token


@pytest.mark.parametrize(
    "cnf", [{"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}}, {"jkt": "A" * 43}, {}, None, "key"]
)
async def test_a_token_that_names_a_key_to_delegate_with_is_refused(ops: TopicUnderTest, cnf: object) -> None:
    assert (await ops.refused(token(cnf=cnf))).status_code == 401
