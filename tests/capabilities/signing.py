"""Keys and tokens for tests: well-formed ones, and ones that no issuer would make."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from capabilities import KeyRing, TokenReader, TokenRefused, keys_from_secret

NOW: Final = 1_756_216_800.0
"""2025-08-26T14:00:00Z."""

SECRET: Final = b"0123456789abcdef0123456789abcdef"
ISSUER: Final = "mcpx"
AUDIENCE: Final = "mcpx-gateway"

(KEY,) = keys_from_secret(SECRET)
READER: Final = TokenReader(KeyRing([KEY]), ISSUER, AUDIENCE)


def claims(**changed: Any) -> dict[str, Any]:
    """Claims that are accepted, but for those changed; `...` leaves one out."""
    whole = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
        "jti": "token-1",
        "topics": ["ops"],
        "capabilities": ["mcp/proposal:*", "chat"],
    } | changed
    return {name: value for name, value in whole.items() if value is not ...}


def encode(
    claims: dict[str, Any] | bytes,
    *,
    key: Any = SECRET,
    algorithm: str = "HS256",
    typ: str | None = "mcpx+jwt",
    **header: Any,
) -> str:
    """Sign any claims under any header."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, key, algorithm=algorithm, headers={"typ": typ} | header)


def part(value: bytes) -> str:
    """Encode one part of a token."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def sign(header: bytes, payload: bytes | None = None, secret: bytes = SECRET) -> str:
    """Sign a header and claims just as they stand, as HS256 does."""
    body = f"{part(header)}.{part(payload or json.dumps(claims()).encode())}"
    return f"{body}.{part(hmac.digest(secret, body.encode(), 'sha256'))}"


@cache
def private_key(kind: str) -> Any:
    """Return one key of a kind, made once for the whole run."""
    match kind:
        case "RS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "weak RSA":
            return rsa.generate_private_key(public_exponent=65537, key_size=1024)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            raise ValueError(kind)


def private_pem(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def public_pem(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    """Return the public half as a JWK, with members added or, with `...`, left out."""
    algorithm = {"RSAPrivateKey": "RS256", "ECPrivateKey": "ES256"}.get(type(key).__name__, "EdDSA")
    public: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
    public.pop("key_ops", None)
    return {name: value for name, value in (public | members).items() if value is not ...}


def refusal(token: str, *, now: float = NOW, reader: TokenReader = READER) -> TokenRefused:
    """Return what is said of a participant's token that is refused."""
    with pytest.raises(TokenRefused) as refused:
        reader.read_participant(token, now)
    assert token not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return refused.value


def refusal_of_any(token: str) -> TokenRefused:
    """Return what is said of a text that may be no token at all."""
    with pytest.raises(TokenRefused) as refused:
        READER.read_participant(token, NOW)
    return refused.value
