"""T6: delegation widens rights. There is none yet: what would carry it is refused, not ignored."""

from __future__ import annotations

import time

import pytest

from tests.capabilities.signing import claims as claims_of
from tests.capabilities.signing import encode
from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import AUDIENCE, ISSUER, SECRET


@pytest.mark.parametrize(
    "cnf", [{"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}}, {"jkt": "A" * 43}, {}, None, "key"]
)
async def test_a_token_that_names_a_key_to_delegate_with_is_refused(ops: TopicUnderTest, cnf: object) -> None:
    now = int(time.time())
    made = claims_of(iss=ISSUER, aud=AUDIENCE, iat=now, exp=now + 60, topics=["*"], cnf=cnf)

    with pytest.raises(Exception, match="401"):
        async with ops.connect(encode(made, key=SECRET.encode())):
            pass
