"""
Keys that tokens are signed and checked with; each has one algorithm, fixed here (RFC 8725 3.1).

Keys come as bytes that somebody else read or fetched: a secret, PEM, or a JWK
Set (RFC 7517). What is too weak, or could be taken for a key of another kind,
is refused before any token is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal, get_args

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from capabilities.errors import TokenSettingsError
from schemas import JsonObject, PayloadError, parse_strictly

MIN_SECRET_BYTES: Final = 32
"""Of an HS256 secret (RFC 7518 3.2)."""

MIN_RSA_BITS: Final = 2048
"""Of an RS256 key (RFC 7518 3.3)."""

_PEM_BEGINS: Final = b"-----BEGIN "

SigningKey = bytes | RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
CheckingKey = bytes | PublicKey


Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]
ALGORITHMS: Final = get_args(Algorithm)
"""What a token may be signed with; `none` is no member, and never will be."""


class _JwkSet(msgspec.Struct):
    """A JWK Set (RFC 7517 5)."""

    keys: list[JsonObject]


class _Jwk(msgspec.Struct):
    """What a JWK says about itself, beside the numbers (RFC 7517 4)."""

    kid: str | None = None
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    alg: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """
    One key and its one algorithm.

    Raises:
        TokenSettingsError: the material is too weak, or no key of that algorithm.
    """

    kid: str | None
    """Name by which a token's header asks for it."""
    algorithm: Algorithm
    material: bytes = field(repr=False)
    """The secret itself, or one PEM block: a private key signs and checks, a public key checks."""
    signing: SigningKey | None = field(init=False, repr=False, compare=False)
    """`None`: a public key, which cannot sign."""
    checking: CheckingKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        signing: SigningKey | None
        checking: CheckingKey
        if self.algorithm == "HS256":
            signing = checking = _secret(self.material)
        else:
            signing, checking = _load_pem(self.material)
            found = _algorithm_of(checking)
            if found != self.algorithm:
                raise TokenSettingsError(f"This key is for {found}, not for {self.algorithm}")
        object.__setattr__(self, "signing", signing)
        object.__setattr__(self, "checking", checking)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """
    The keys that tokens are checked with; rotating them means a new ring.

    Raises:
        TokenSettingsError: no key, two of one name, or one of several without a name.
    """

    keys: tuple[Key, ...]

    def __init__(self, keys: Iterable[Key]) -> None:
        ring = tuple(keys)
        if not ring:
            raise TokenSettingsError("There is no key to check tokens with")
        kids = [key.kid for key in ring]
        if len(ring) > 1 and None in kids:
            raise TokenSettingsError("Of several keys each needs a 'kid'")
        if len(set(kids)) < len(kids):
            raise TokenSettingsError("Two keys have the same 'kid'")
        object.__setattr__(self, "keys", ring)

    def find(self, kid: str | None) -> Key | None:
        """Return the key of that name; without a name the single key, if it is the only one."""
        if kid is None:
            return self.keys[0] if len(self.keys) == 1 else None
        return next((key for key in self.keys if key.kid == kid), None)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys)


def keys_from_secret(secret: str | bytes, kid: str | None = None) -> list[Key]:
    """
    Return the HS256 key of a shared secret.

    Raises:
        TokenSettingsError: the secret is shorter than 32 bytes, or is another kind of key.
    """
    return [Key(kid, "HS256", secret.encode() if isinstance(secret, str) else secret)]


def keys_from_pem(data: bytes, kid: str | None = None) -> list[Key]:
    """
    Return the key of each PEM block, public or private; the algorithm follows from its type.

    A key without a name given is named by a digest of its public half, so a
    second block can be added to a file, and the first taken away later,
    without touching tokens in use.

    Raises:
        TokenSettingsError: a block is no usable key, there is none, or one
            name is given for several.
    """
    blocks = [_PEM_BEGINS + block for block in data.split(_PEM_BEGINS)[1:]]
    if not blocks:
        raise TokenSettingsError("There is no PEM block in the key file")
    if kid is not None and len(blocks) > 1:
        raise TokenSettingsError("One 'kid' cannot name several keys")
    loaded = [(block, _load_pem(block)[1]) for block in blocks]
    return [Key(kid or _digest(checking), _algorithm_of(checking), block) for block, checking in loaded]


def keys_from_jwks(data: bytes | str) -> list[Key]:
    """
    Return the keys of a JWK Set that can check tokens (RFC 7517).

    Others are left out: for encryption, of algorithms not used here, too weak,
    or secret, since a secret in a published set is none.

    Raises:
        TokenSettingsError: it is no JWK Set, or no key in it can be used; the
            error says why of each.
    """
    try:
        members = msgspec.convert(parse_strictly(data), _JwkSet).keys
    except (PayloadError, msgspec.ValidationError):
        raise TokenSettingsError("A JWK Set is a JSON object with a list of objects under 'keys'") from None
    usable: list[Key] = []
    reasons: list[str] = []
    for member in members:
        try:
            usable.append(_key_of_jwk(member))
        except TokenSettingsError as error:
            reasons.append(str(error))
    if not usable:
        raise TokenSettingsError("; ".join(["No key of the JWK Set can check tokens", *reasons]))
    return usable


def _secret(material: bytes) -> bytes:
    if len(material) < MIN_SECRET_BYTES:
        raise TokenSettingsError(f"An HS256 secret has at least {MIN_SECRET_BYTES} bytes")
    try:
        # A public key used as a secret would let everybody sign (RFC 8725 2.1).
        jwt.get_algorithm_by_name("HS256").prepare_key(material)
    except jwt.InvalidKeyError:
        raise TokenSettingsError("An HS256 secret is random bytes, not a key of another kind") from None
    return material


def _load_pem(data: bytes) -> tuple[SigningKey | None, PublicKey]:
    try:
        if b"PRIVATE KEY-----" in data:
            private = load_pem_private_key(data, password=None)
            if isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
                return private, _checked(private.public_key())
        else:
            public = load_pem_public_key(data)
            if isinstance(public, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
                return None, _checked(public)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise TokenSettingsError("A PEM key is a private or public key without a password") from None
    raise TokenSettingsError("A key is RSA, EC on P-256, or Ed25519")


def _checked(public: PublicKey) -> PublicKey:
    if isinstance(public, RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        raise TokenSettingsError(f"An RSA key has at least {MIN_RSA_BITS} bits")
    if isinstance(public, EllipticCurvePublicKey) and not isinstance(public.curve, SECP256R1):
        raise TokenSettingsError("An EC key is on the curve P-256")
    return public


def _algorithm_of(public: PublicKey) -> Algorithm:
    if isinstance(public, RSAPublicKey):
        return "RS256"
    if isinstance(public, EllipticCurvePublicKey):
        return "ES256"
    return "EdDSA"


def _digest(public: PublicKey) -> str:
    return sha256(_public_pem(public)).hexdigest()[:32]


def _public_pem(public: PublicKey) -> bytes:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _key_of_jwk(jwk: JsonObject) -> Key:
    try:
        facts = msgspec.convert(jwk, _Jwk)
    except msgspec.ValidationError:
        raise TokenSettingsError("a key is not described as RFC 7517 says") from None
    name = "a key without 'kid'" if facts.kid is None else f"key {facts.kid[:64]!r}"
    if "d" in jwk or "k" in jwk:
        raise TokenSettingsError(f"{name} is secret, and was published")
    if facts.use != "sig" or "verify" not in facts.key_ops:
        raise TokenSettingsError(f"{name} is not for checking signatures")
    try:
        public = jwt.PyJWK(jwk).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise TokenSettingsError(f"{name} cannot be read") from None
    if not isinstance(public, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        raise TokenSettingsError(f"{name} is not RSA, EC on P-256, or Ed25519")
    try:
        algorithm = _algorithm_of(_checked(public))
    except TokenSettingsError as error:
        raise TokenSettingsError(f"{name}: {error}") from None
    if facts.alg not in {algorithm, None}:
        raise TokenSettingsError(f"{name} is for another algorithm than {algorithm}")
    return Key(facts.kid, algorithm, _public_pem(public))
