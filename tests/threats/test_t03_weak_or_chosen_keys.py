"""T3: `alg` none, confused algorithms, weak keys, headers that choose the key (RFC 8725 3.1-3.5, 3.10)."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from random import Random
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from capabilities import TokenRefused
from gateway.errors import SettingsError
from gateway.keys import Keys
from gateway.settings import Settings
from tests.capabilities.signing import encode, private_key, private_pem, public_pem, sign
from tests.capabilities.test_token_mutations import mutated
from tests.conformance.topic_under_test import TopicUnderTest
from tests.gateway_process import SECRET
from tests.threats.foreign_tokens import claims
from tests.threats.foreign_tokens import token as good_token

MUTATIONS: Final = 10_000


def test_of_ten_thousand_changed_tokens_a_gateway_that_remembers_tokens_accepts_none(tmp_path: Path) -> None:
    settings = Settings.read({"MCPX_STATE_DIR": str(tmp_path), "MCPX_JWT_SECRET": SECRET})
    keys, now, random = Keys(settings), time.time(), Random(3)
    believed = good_token()
    accepted = 0

    for n in range(MUTATIONS):
        if n % 1_000 == 0:
            assert keys.read_participant(believed, now).id == "alice"  # now it is remembered
        token = mutated(random, believed)
        if token == believed:
            continue
        try:
            keys.read_participant(token, now)
        except TokenRefused:
            continue
        accepted += 1

    assert accepted == 0


async def test_a_token_that_chooses_its_algorithm_or_its_key_opens_nothing(ops: TopicUnderTest) -> None:
    secret, key = SECRET.encode(), private_key("EdDSA")
    body, head = claims(), '"typ":"mcpx+jwt"'
    mallorys = base64.urlsafe_b64encode(b"m" * 32).decode().rstrip("=")
    forged = {
        "none": encode(body, key=None, algorithm="none"),
        "its own key": encode(body, key=b"m" * 32, jwk={"kty": "oct", "k": mallorys}),
        "jku": encode(body, key=secret, jku="https://attacker.example/keys"),
        "x5u": encode(body, key=secret, x5u="https://attacker.example/keys"),
        "crit": encode(body, key=secret, crit=["exp"]),
        "kid": encode(body, key=secret, kid="../../dev/null"),
        "another algorithm": encode(body, key=key, algorithm="EdDSA"),
        "another hash": encode(body, key=secret, algorithm="HS512"),
        "public key as secret": sign(f'{{"alg":"HS256",{head}}}'.encode(), secret=public_pem(key)),
        "empty secret": sign(f'{{"alg":"HS256",{head}}}'.encode(), secret=b""),
    }
    for name, token in forged.items():
        assert (await ops.refused(token)).status_code == 401, name

    async with ops.connect(encode(body, key=secret)) as socket:  # else the others would prove nothing
        assert await socket.recv()


@pytest.mark.parametrize(
    "weak",
    [
        pytest.param({"MCPX_JWT_SECRET": "x" * 31}, id="31 bytes"),
        pytest.param({"MCPX_JWT_KEY_FILE": "weak.pem"}, id="RSA of 1024 bits"),
        pytest.param({"MCPX_JWT_KEY_FILE": "none.json"}, id="a key set without a key"),
    ],
)
def test_a_weak_key_starts_nothing(tmp_path: Path, weak: dict[str, str]) -> None:
    (tmp_path / "weak.pem").write_bytes(public_pem(private_key("weak RSA")))
    (tmp_path / "none.json").write_text('{"keys": [{"kty": "oct", "k": "AAAA"}]}')
    env = {name: str(tmp_path / value) if "FILE" in name else value for name, value in weak.items()}

    with pytest.raises(SettingsError):
        Keys(Settings.read({"MCPX_STATE_DIR": str(tmp_path), **env}))


def test_a_strong_key_does(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(public_pem(key))
    keys = Keys(Settings.read({"MCPX_JWT_KEY_FILE": str(tmp_path / "key.pem")}))

    token = encode(claims(), key=private_pem(key), algorithm="EdDSA")
    assert keys.read_participant(token, time.time()).id == "alice"
