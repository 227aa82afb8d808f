"""Which keys tokens may be checked with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from capabilities import (
    Algorithm,
    Key,
    KeyRing,
    TokenRefused,
    TokenSettingsError,
    issue_token,
    keys_from_jwks,
    keys_from_pem,
    keys_from_secret,
)
from tests.capabilities.signing import (
    NOW,
    READER,
    SECRET,
    claims,
    encode,
    jwk,
    private_key,
    private_pem,
    public_pem,
)
from tests.requirements import spec

KINDS: tuple[Algorithm, ...] = ("RS256", "ES256", "EdDSA")


def refused(make: Any) -> str:
    """Return why a key is refused."""
    with pytest.raises(TokenSettingsError) as error:
        make()
    return str(error.value)


@spec("mcpx identity key kinds")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("write", [private_pem, public_pem])
def test_a_pem_key_checks_what_its_private_half_signed(kind: Algorithm, write: Any) -> None:
    private = private_key(kind)
    (key,) = keys_from_pem(b"a comment\n" + write(private))
    token = encode(claims(), key=private, algorithm=kind)

    assert key.algorithm == kind
    assert READER.with_keys(KeyRing([key])).read_participant(token, NOW).id == "alice"


@spec("mcpx identity key kinds")
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_a_jwk_set_checks_what_its_private_half_signed(kind: Algorithm) -> None:
    private = private_key(kind)
    (key,) = keys_from_jwks(
        json.dumps({"keys": [jwk(private, kid="one", alg=kind, use="sig", key_ops=["verify"])]})
    )
    token = encode(claims(), key=private, algorithm=kind, kid="one")

    assert (key.kid, key.algorithm, key.signing) == ("one", kind, None)
    assert READER.with_keys(KeyRing([key])).read_participant(token, NOW).id == "alice"


@spec("mcpx identity key kinds")
def test_the_keys_of_a_jwk_set_are_rotated_by_kid() -> None:
    def ring(*kinds: str) -> KeyRing:
        members = [jwk(private_key(kind), kid=kind.lower()) for kind in kinds]
        return KeyRing(keys_from_jwks(json.dumps({"keys": members}).encode()))

    old = encode(claims(), key=private_key("RS256"), algorithm="RS256", kid="rs256")
    new = encode(claims(), key=private_key("ES256"), algorithm="ES256", kid="es256")
    before, between, after = (
        READER.with_keys(ring(*kinds)) for kinds in (["RS256"], ["RS256", "ES256"], ["ES256"])
    )

    assert before.read_participant(old, NOW) == between.read_participant(old, NOW)
    assert between.read_participant(new, NOW) == after.read_participant(new, NOW)
    with pytest.raises(TokenRefused, match="no key has its 'kid'"):
        before.read_participant(new, NOW)
    with pytest.raises(TokenRefused, match="no key has its 'kid'"):
        after.read_participant(old, NOW)


@spec("mcpx identity key kinds")
def test_pem_keys_are_named_by_what_they_are_so_that_one_can_be_added() -> None:
    first, second = public_pem(private_key("RS256")), public_pem(private_key("EdDSA"))
    (alone,) = keys_from_pem(first)
    both = keys_from_pem(first + second)

    assert [key.algorithm for key in both] == ["RS256", "EdDSA"]
    assert both[0] == alone
    assert alone.kid is not None
    assert len(alone.kid) == 32
    assert both[1].kid not in {None, alone.kid}
    assert keys_from_pem(private_pem(private_key("RS256")))[0].kid == alone.kid
    assert keys_from_pem(first, kid="mine")[0].kid == "mine"
    assert refused(lambda: keys_from_pem(first + second, kid="mine")) == "One 'kid' cannot name several keys"


@spec("mcpx identity key strength")
@pytest.mark.parametrize("secret", ["", "x" * 31, b"x" * 31])
def test_a_short_secret_is_refused(secret: str | bytes) -> None:
    assert refused(lambda: keys_from_secret(secret)) == "An HS256 secret has at least 32 bytes"


@spec("mcpx identity key strength", "mcpx identity key kinds")
@pytest.mark.parametrize("secret", ["x" * 32, b"\x00" * 32, "é" * 16])
def test_a_secret_counts_in_bytes(secret: str | bytes) -> None:
    (key,) = keys_from_secret(secret, kid="one")

    assert (key.kid, key.algorithm) == ("one", "HS256")
    assert key.material == (secret.encode() if isinstance(secret, str) else secret)
    assert key.signing == key.checking == key.material


@spec("mcpx identity algorithm pinned")
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_another_kind_is_no_secret(kind: str) -> None:
    pem = public_pem(private_key(kind))

    assert refused(lambda: keys_from_secret(pem)) == (
        "An HS256 secret is random bytes, not a key of another kind"
    )


@spec("mcpx identity algorithm pinned")
@pytest.mark.parametrize(("kind", "claimed"), [("RS256", "ES256"), ("ES256", "EdDSA"), ("EdDSA", "RS256")])
def test_a_key_has_the_algorithm_of_its_kind(kind: str, claimed: Algorithm) -> None:
    pem = public_pem(private_key(kind))

    assert refused(lambda: Key(None, claimed, pem)) == f"This key is for {kind}, not for {claimed}"


@spec("mcpx identity alg none", "mcpx identity algorithm pinned")
@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS512"])
def test_a_key_has_one_of_four_algorithms(algorithm: Any) -> None:
    pem = public_pem(private_key("RS256"))

    assert refused(lambda: Key(None, algorithm, pem)) == f"This key is for RS256, not for {algorithm}"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: b"", "There is no PEM block in the key file"),
        (lambda: b"x" * 64, "There is no PEM block in the key file"),
        (
            lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "A PEM key is a private or public key without a password",
        ),
        (
            lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "A PEM key is a private or public key without a password",
        ),
        (
            lambda: private_key("EdDSA").private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
            ),
            "A PEM key is a private or public key without a password",
        ),
        (lambda: public_pem(private_key("weak RSA")), "An RSA key has at least 2048 bits"),
        (lambda: private_pem(private_key("weak RSA")), "An RSA key has at least 2048 bits"),
        (lambda: public_pem(private_key("P-384")), "An EC key is on the curve P-256"),
        (lambda: private_pem(private_key("P-384")), "An EC key is on the curve P-256"),
        (lambda: public_pem(ed448.Ed448PrivateKey.generate()), "A key is RSA, EC on P-256, or Ed25519"),
        (lambda: private_pem(ed448.Ed448PrivateKey.generate()), "A key is RSA, EC on P-256, or Ed25519"),
    ],
)
def test_a_pem_key_that_is_weak_or_strange_is_refused(data: Any, why: str) -> None:
    assert refused(lambda: keys_from_pem(data())) == why


@pytest.mark.parametrize(
    "data", ["", "null", "[]", "{}", '{"keys": {}}', '{"keys": [5]}', '{"keys": [], "keys": []}', b"\xff"]
)
def test_what_is_no_jwk_set_is_refused(data: str | bytes) -> None:
    assert refused(lambda: keys_from_jwks(data)) == (
        "A JWK Set is a JSON object with a list of objects under 'keys'"
    )


def test_an_empty_jwk_set_is_refused() -> None:
    assert refused(lambda: keys_from_jwks('{"keys": []}')) == "No key of the JWK Set can check tokens"


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (lambda: {"kty": "oct", "kid": "s", "k": "AAAA"}, "key 's' is secret, and was published"),
        (lambda: jwk(private_key("ES256"), kid="p", d="AAAA"), "key 'p' is secret, and was published"),
        (lambda: jwk(private_key("ES256"), kid="e", use="enc"), "key 'e' is not for checking signatures"),
        (
            lambda: jwk(private_key("ES256"), key_ops=["sign"]),
            "a key without 'kid' is not for checking signatures",
        ),
        (lambda: jwk(private_key("ES256"), kid="x", crv="P-999"), "key 'x' cannot be read"),
        (lambda: jwk(private_key("ES256"), kid="x", x=...), "key 'x' cannot be read"),
        (lambda: jwk(private_key("ES256"), kid="x", x="!"), "key 'x' cannot be read"),
        (lambda: jwk(private_key("ES256"), kid="x", kty="PQ"), "key 'x' cannot be read"),
        (lambda: jwk(private_key("RS256"), kid="r", alg="RSA-OAEP"), "key 'r' cannot be read"),
        (
            lambda: jwk(private_key("RS256"), kid="r", alg="RS512"),
            "key 'r' is for another algorithm than RS256",
        ),
        (lambda: jwk(private_key("weak RSA"), kid="w"), "key 'w': An RSA key has at least 2048 bits"),
        (lambda: jwk(private_key("P-384"), kid="c"), "key 'c': An EC key is on the curve P-256"),
        (
            lambda: jwk(private_key("P-384"), kid="k" * 100, use="enc"),
            f"key '{'k' * 64}' is not for checking signatures",
        ),
        (
            lambda: {"kty": "OKP", "crv": "Ed448", "x": "A" * 76, "kid": "o", "alg": "EdDSA"},
            "key 'o' is not RSA, EC on P-256, or Ed25519",
        ),
        (
            lambda: jwk(private_key("ES256"), kid=5),
            "a key is not described as RFC 7517 says",
        ),
    ],
)
def test_a_jwk_that_cannot_check_tokens_is_left_out_and_told(member: Any, why: str) -> None:
    unusable = member()

    assert refused(lambda: keys_from_jwks(json.dumps({"keys": [unusable]}))) == (
        f"No key of the JWK Set can check tokens; {why}"
    )
    usable = keys_from_jwks(json.dumps({"keys": [unusable, jwk(private_key("EdDSA"), kid="good")]}))
    assert [key.kid for key in usable] == ["good"]


def test_a_ring_has_a_key() -> None:
    assert refused(lambda: KeyRing([])) == "There is no key to check tokens with"


def test_of_several_keys_each_has_a_name_of_its_own() -> None:
    unnamed, first, second = (keys_from_secret(SECRET, kid)[0] for kid in (None, "one", "two"))

    assert refused(lambda: KeyRing([unnamed, first])) == "Of several keys each needs a 'kid'"
    assert refused(lambda: KeyRing([first, second, first])) == "Two keys have the same 'kid'"
    assert list(KeyRing([first, second])) == [first, second]
    assert KeyRing([unnamed]).find(None) is unnamed
    assert KeyRing([first]).find(None) is first
    assert KeyRing([first, second]).find(None) is None
    assert KeyRing([first, second]).find("two") is second
    assert KeyRing([first, second]).find("three") is None


@spec("mcpx identity token never in messages")
def test_a_key_does_not_show_itself() -> None:
    (key,) = keys_from_secret(SECRET, kid="one")

    assert repr(key) == "Key(kid='one', algorithm='HS256')"
    assert SECRET.decode() not in repr(KeyRing([key]))


@spec("mcpx identity key kinds")
@pytest.mark.parametrize("kind", KINDS)
def test_a_private_key_issues_and_a_public_key_only_checks(kind: Algorithm) -> None:
    private, public = (keys_from_pem(write(private_key(kind)))[0] for write in (private_pem, public_pem))

    def issue(key: Key) -> str:
        return issue_token(
            key,
            issuer=READER.issuer,
            audience=READER.audience,
            subject="alice",
            topics=["ops"],
            profile="full",
            ttl_s=60,
            now=NOW,
            jti="1",
        )

    assert READER.with_keys(KeyRing([public])).read_participant(issue(private), NOW).id == "alice"
    assert refused(lambda: issue(public)) == "A public key cannot sign tokens"
