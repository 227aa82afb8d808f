"""Keys: from a secret, a file, or an address that rotates them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from capabilities import Key, TokenRefused, TokenSettingsError, issue_token
from gateway.errors import SettingsError
from gateway.keys import Keys
from gateway.settings import Settings
from tests.requirements import spec

NOW = 1_756_216_800.0
SECRET = "s" * 40


def keys_of(**environ: str) -> Keys:
    return Keys(Settings.read(environ))


def token(key: Key, *, ttl_s: int = 60, **claims: Any) -> str:
    return issue_token(
        key,
        issuer="mcpx",
        audience="mcpx-gateway",
        subject="ann",
        topics=["ops"],
        profile="full",
        ttl_s=ttl_s,
        now=NOW,
        jti="j",
        **claims,
    )


def pair() -> tuple[Ed25519PrivateKey, str]:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, pem.decode()


def jwks(*keys: tuple[str, Ed25519PrivateKey]) -> bytes:
    members = []
    for kid, private in keys:
        public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key()))
        members.append({**public, "kid": kid, "alg": "EdDSA", "use": "sig"})
    return json.dumps({"keys": members}).encode()


def test_a_token_that_was_believed_is_believed_until_it_expires() -> None:
    keys = keys_of(MCPX_JWT_SECRET=SECRET)
    text = token(Key(None, "HS256", SECRET.encode()))

    first = keys.read_participant(text, NOW)

    assert keys.read_participant(text, NOW + 59) is first
    with pytest.raises(TokenRefused):
        keys.read_participant(text, NOW + 60)


def test_a_token_that_is_refused_is_refused_again() -> None:
    keys = keys_of(MCPX_JWT_SECRET=SECRET)
    text = token(Key(None, "HS256", b"t" * 40))

    for _ in range(2):
        with pytest.raises(TokenRefused):
            keys.read_participant(text, NOW)


@spec("mcpx identity key kinds")
def test_a_pem_file_and_a_jwks_file_are_told_apart(tmp_path: Path) -> None:
    private, pem = pair()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "key.pem").write_bytes(public)
    (tmp_path / "jwks.json").write_bytes(jwks(("k1", private)))

    by_pem = keys_of(MCPX_JWT_KEY_FILE=str(tmp_path / "key.pem"))
    by_jwks = keys_of(MCPX_JWT_KEY_FILE=str(tmp_path / "jwks.json"))

    assert by_pem.read_participant(token(Key(None, "EdDSA", pem.encode())), NOW).id == "ann"
    assert by_jwks.read_participant(token(Key("k1", "EdDSA", pem.encode())), NOW).id == "ann"


@pytest.mark.parametrize("content", [b"", b"{", b"-----BEGIN NOTHING-----", b'{"keys": []}'])
def test_a_key_file_that_holds_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(SettingsError, match="MCPX_JWT_KEY_FILE"):
        keys_of(MCPX_JWT_KEY_FILE=str(tmp_path / "key"))


def test_two_keys_of_one_name_are_refused_by_the_file_they_are_in(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(("k1", pair()[0]), ("k1", pair()[0])))

    with pytest.raises(SettingsError, match=r"MCPX_JWT_KEY_FILE.*same 'kid'"):
        keys_of(MCPX_JWT_KEY_FILE=str(tmp_path / "jwks.json"))


def test_a_public_key_is_no_secret() -> None:
    with pytest.raises(SettingsError, match="MCPX_JWT_SECRET"):
        keys_of(MCPX_JWT_SECRET=pair()[1])


class Issuer:
    """An address that answers everybody with one document, which may change."""

    def __init__(self, document: bytes) -> None:
        self.document, self.url = document, ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.document)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + self.document)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def served(document: bytes) -> AsyncIterator[Issuer]:
    """Serve one document to whoever asks."""
    issuer = Issuer(document)
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    try:
        yield issuer
    finally:
        server.close()
        await server.wait_closed()


@spec("mcpx identity key kinds")
async def test_keys_are_fetched_from_their_address() -> None:
    private, pem = pair()
    async with served(jwks(("k1", private))) as issuer:
        keys = keys_of(MCPX_JWKS_URL=issuer.url)
        await keys.start()

    assert keys.read_participant(token(Key("k1", "EdDSA", pem.encode())), NOW).id == "ann"
    with pytest.raises(TokenRefused):
        keys.read_participant(token(Key("k2", "EdDSA", pem.encode())), NOW)
    await keys.stop()


@spec("mcpx identity key kinds")
async def test_a_key_that_its_issuer_takes_back_opens_nothing_more_and_a_new_one_does() -> None:
    (old, old_pem), (new, new_pem) = pair(), pair()
    by_old, by_new = token(Key("k1", "EdDSA", old_pem.encode())), token(Key("k2", "EdDSA", new_pem.encode()))
    async with served(jwks(("k1", old))) as issuer:
        keys = keys_of(MCPX_JWKS_URL=issuer.url)
        await keys.start()
        try:
            assert keys.read_participant(by_old, NOW).id == "ann"

            issuer.document = b"{"
            with pytest.raises(TokenSettingsError):
                await keys.renew(issuer.url)
            assert keys.read_participant(by_old, NOW).id == "ann"

            issuer.document = jwks(("k2", new))
            await keys.renew(issuer.url)
            assert keys.read_participant(by_new, NOW).id == "ann"
            with pytest.raises(TokenRefused):
                keys.read_participant(by_old, NOW)
        finally:
            await keys.stop()


async def test_without_keys_from_their_address_nothing_starts() -> None:
    async with served(b"{}") as issuer:
        with pytest.raises(SettingsError, match="MCPX_JWKS_URL"):
            await keys_of(MCPX_JWKS_URL=issuer.url).start()


@pytest.mark.parametrize("url", ["issuer.example", "http://issuer.example:jwks"])
async def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match="MCPX_JWKS_URL"):
        await keys_of(MCPX_JWKS_URL=url).start()
