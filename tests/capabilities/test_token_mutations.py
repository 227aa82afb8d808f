"""Ten thousand tokens, each a believed one with one thing changed: none opens anything."""

from __future__ import annotations

import json
import string
from collections import Counter
from random import Random
from typing import Any

import pytest

from capabilities import (
    Algorithm,
    KeyRing,
    TokenReader,
    TokenRefusal,
    TokenRefused,
    keys_from_pem,
    keys_from_secret,
)
from tests.capabilities.signing import (
    NOW,
    READER,
    SECRET,
    claims,
    encode,
    part,
    private_key,
    private_pem,
    sign,
)

SEED = 20250826
EACH = 2_500
ALPHABET = string.ascii_letters + string.digits + "-_"
FORGED_CLAIMS: tuple[dict[str, Any], ...] = (
    {"sub": "mallory"},
    {"topics": ["*"]},
    {"capabilities": ["mcp/*"]},
    {"exp": NOW + 86_000},
    {"aud": "other"},
    {"iss": "other"},
    {"jti": "token-2"},
)
FORGED_HEADERS: tuple[dict[str, Any], ...] = (
    {"alg": "none"},
    {"alg": "HS256"},
    {"alg": "HS512"},
    {"alg": "RS256"},
    {"alg": "ES256"},
    {"alg": "EdDSA"},
    {"typ": "mcpx-admin+jwt"},
    {"kid": "other"},
    {"jwk": {"kty": "oct", "k": "AAAA"}},
    {"jku": "https://attacker.example/keys"},
    {"crit": ["exp"]},
    {"b64": False},
)


def mutated(random: Random, token: str) -> str:
    """Change one thing about a token, as an attacker without its key could."""
    header, payload, signature = token.split(".")
    at = random.randrange(len(token))
    match random.randrange(12):
        case 0 | 1 | 2 | 3:
            return token[:at] + random.choice(ALPHABET) + token[at + 1 :]
        case 4:
            return token[:at] + token[at + 1 :]
        case 5:
            return token[:at] + random.choice(ALPHABET + ".= %\n\u0435\x00") + token[at:]
        case 6:
            return token[:at]
        case 7:
            other = token[:at] + token[at:].swapcase()
            return other if random.random() < 0.5 else token[:at].swapcase() + token[at:]
        case 8:
            return (
                f"{header}.{part(json.dumps(claims() | random.choice(FORGED_CLAIMS)).encode())}.{signature}"
            )
        case 9:
            plain = {"alg": "HS256", "typ": "mcpx+jwt"} | random.choice(FORGED_HEADERS)
            return f"{part(json.dumps(plain).encode())}.{payload}.{random.choice((signature, '', 'AA'))}"
        case 10:
            secret = random.choice((b"", b"secret", SECRET[:-1], SECRET + b"\x00"))
            return sign(b'{"alg":"HS256","typ":"mcpx+jwt"}', json.dumps(claims()).encode(), secret)
        case _:
            parts = [header, payload, signature]
            random.shuffle(parts)
            return ".".join(parts)


def reader_of(algorithm: Algorithm) -> tuple[TokenReader, str]:
    """Return a reader with one key, and a token that it believes."""
    if algorithm == "HS256":
        (key,) = keys_from_secret(SECRET)
        return READER.with_keys(KeyRing([key])), encode(claims())
    private = private_key(algorithm)
    (key,) = keys_from_pem(private_pem(private))
    return READER.with_keys(KeyRing([key])), encode(claims(), key=private, algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_no_mutated_token_is_accepted(algorithm: Algorithm) -> None:
    reader, believed = reader_of(algorithm)
    assert reader.read_participant(believed, NOW).id == "alice"
    random = Random(f"{SEED} {algorithm}")
    codes: Counter[str] = Counter()

    while codes.total() < EACH:
        token = mutated(random, believed)
        if token == believed:
            continue
        try:
            reader.read_participant(token, NOW)
        except TokenRefused as refused:
            codes[refused.code] += 1
        else:
            pytest.fail(f"accepted: {token!r}")

    assert codes.keys() >= {TokenRefusal.MALFORMED, TokenRefusal.SIGNATURE, TokenRefusal.ALGORITHM}
