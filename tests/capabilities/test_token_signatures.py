"""Whose signature is believed, and under which header (RFC 8725 3.1, 3.2, 3.10)."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from capabilities import (
    KeyRing,
    TokenRefusal,
    keys_from_pem,
    keys_from_secret,
)
from capabilities.tokens import MAX_TOKEN_CHARACTERS
from tests.capabilities.signing import (
    NOW,
    READER,
    SECRET,
    claims,
    encode,
    part,
    private_key,
    private_pem,
    public_pem,
    refusal,
    refusal_of_any,
    sign,
)
from tests.requirements import spec

# Who signed it.


@spec("mcpx identity kid")
def test_a_token_without_kid_is_tried_against_the_single_key() -> None:
    reader = READER.with_keys(KeyRing(keys_from_secret(SECRET, kid="2025-08")))

    assert reader.read_participant(encode(claims()), NOW).id == "alice"
    assert reader.read_participant(encode(claims(), kid="2025-08"), NOW).id == "alice"


@spec("mcpx identity kid")
@pytest.mark.parametrize("kid", ["2025-09", "", "../../dev/null", "2025-08 "])
def test_an_unknown_kid_is_refused(kid: str) -> None:
    reader = READER.with_keys(KeyRing(keys_from_secret(SECRET, kid="2025-08")))
    refused = refusal(encode(claims(), kid=kid), reader=reader)

    assert (refused.code, refused.why) == (TokenRefusal.UNKNOWN_KEY, "no key has its 'kid'")


@spec("mcpx identity kid")
def test_a_kid_is_refused_where_the_only_key_has_no_name() -> None:
    assert refusal(encode(claims(), kid="2025-08")).code is TokenRefusal.UNKNOWN_KEY


@spec("mcpx identity kid")
def test_with_several_keys_a_token_must_name_one_and_be_signed_by_that_one() -> None:
    other = b"another secret of thirty-two byte"
    ring = KeyRing([*keys_from_secret(SECRET, kid="old"), *keys_from_secret(other, kid="new")])
    reader = READER.with_keys(ring)

    assert reader.read_participant(encode(claims(), kid="old"), NOW).id == "alice"
    assert reader.read_participant(encode(claims(), key=other, kid="new"), NOW).id == "alice"
    assert refusal(encode(claims(), kid="new"), reader=reader).code is TokenRefusal.SIGNATURE
    refused = refusal(encode(claims()), reader=reader)
    assert (refused.code, refused.why) == (
        TokenRefusal.UNKNOWN_KEY,
        "it must name one of several keys by 'kid'",
    )


def test_a_reader_with_other_keys_keeps_its_rules() -> None:
    ring = KeyRing(keys_from_secret(SECRET, kid="new"))
    reader = replace(READER, max_lifetime_s=60)

    assert reader.with_keys(ring) == replace(reader, keys=ring)


@spec("mcpx identity kid")
@pytest.mark.parametrize("kid", ["5", "null", "[]", "{}", "true"])
def test_a_kid_that_is_no_text_is_refused(kid: str) -> None:
    header = f'{{"alg":"HS256","typ":"mcpx+jwt","kid":{kid}}}'.encode()
    refused = refusal(sign(header))

    assert (refused.code, refused.why) == (TokenRefusal.CLAIM, "its 'kid' must be a string")


def test_a_header_signed_as_it_stands_is_accepted_if_it_is_right() -> None:
    assert READER.read_participant(sign(b'{"typ":"mcpx+jwt","alg":"HS256"}'), NOW).id == "alice"


@spec("mcpx identity alg none")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AA", None])
def test_a_token_signed_by_nobody_is_refused(alg: str, signature: str | None) -> None:
    header = json.dumps({"alg": alg, "typ": "mcpx+jwt"}).encode()
    token = sign(header)
    if signature is not None:
        token = f"{token.rsplit('.', 1)[0]}.{signature}"
    refused = refusal(token)

    if signature == "":
        assert refused.code is TokenRefusal.MALFORMED
    else:
        assert (refused.code, refused.why) == (
            TokenRefusal.ALGORITHM,
            "its 'alg' must be the key's, HS256",
        )


@spec("mcpx identity algorithm pinned")
@pytest.mark.parametrize("alg", ["HS384", "HS512", "hs256", "RS256", "ES256", "EdDSA", 5, None])
def test_the_algorithm_is_the_keys_and_not_the_tokens_choice(alg: Any) -> None:
    header = json.dumps({"alg": alg, "typ": "mcpx+jwt"}).encode()

    assert refusal(sign(header)).code is TokenRefusal.ALGORITHM
    assert refusal(sign(b'{"typ":"mcpx+jwt"}')).code is TokenRefusal.ALGORITHM


@spec("mcpx identity algorithm pinned")
@pytest.mark.parametrize("kind", ["RS256", "ES256", "EdDSA"])
def test_a_public_key_used_as_a_secret_signs_nothing(kind: str) -> None:
    private = private_key(kind)
    pem = public_pem(private)
    reader = READER.with_keys(KeyRing(keys_from_pem(pem, kid="k")))
    forged = sign(b'{"alg":"HS256","kid":"k","typ":"mcpx+jwt"}', secret=pem)
    refused = refusal(forged, reader=reader)

    assert (refused.code, refused.why) == (
        TokenRefusal.ALGORITHM,
        f"its 'alg' must be the key's, {kind}",
    )
    good = encode(claims(), key=private, algorithm=kind, kid="k")
    assert reader.read_participant(good, NOW).id == "alice"


@pytest.mark.parametrize("kind", ["RS256", "ES256", "EdDSA"])
def test_a_token_signed_by_another_key_of_the_same_kind_is_refused(kind: str) -> None:
    reader = READER.with_keys(KeyRing(keys_from_pem(private_pem(private_key(kind)), kid="k")))
    private_key.cache_clear()
    token = encode(claims(), key=private_key(kind), algorithm=kind, kid="k")
    refused = refusal(token, reader=reader)

    assert (refused.code, refused.why) == (TokenRefusal.SIGNATURE, "its signature is not the key's")


@spec("mcpx identity algorithm pinned")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jku", "https://attacker.example/jwks.json"),
        ("jwk", {"kty": "oct", "k": "AAAA"}),
        ("x5u", "https://attacker.example/cert"),
        ("x5c", ["MIIB"]),
        ("crit", ["exp"]),
        ("crit", []),
        ("crit", ["b64"]),
        ("b64", False),
        ("b64", True),
        ("zip", "DEF"),
        ("enc", "A128GCM"),
        ("jku", None),
    ],
)
def test_a_header_that_would_choose_the_key_or_another_reading_is_refused(name: str, value: Any) -> None:
    header = json.dumps({"alg": "HS256", "typ": "mcpx+jwt", name: value}).encode()
    refused = refusal(sign(header))

    assert (refused.code, refused.why) == (TokenRefusal.HEADER, f"its header may not have '{name}'")


def test_a_header_that_only_says_more_is_accepted() -> None:
    header = b'{"alg":"HS256","typ":"mcpx+jwt","x5t":"abc","note":1}'

    assert READER.read_participant(sign(header), NOW).id == "alice"


def test_a_detached_payload_is_refused() -> None:
    header = part(b'{"alg":"HS256","typ":"mcpx+jwt","b64":false,"crit":["b64"]}')
    signature = hmac.digest(SECRET, f"{header}.{json.dumps(claims())}".encode(), "sha256")

    assert refusal_of_any(f"{header}..{part(signature)}").code is TokenRefusal.MALFORMED


# How it is written.


@pytest.mark.parametrize(
    "write",
    [
        lambda token: "",
        lambda token: "..",
        lambda token: token + " ",
        lambda token: " " + token,
        lambda token: token + "\n",
        lambda token: token + "=",
        lambda token: token + ".",
        lambda token: token + ".x.y",
        lambda token: token.replace(".", ". "),
        lambda token: token.rsplit(".", 1)[0],
        lambda token: token.rsplit(".", 1)[0] + ".",
        lambda token: "." + token.split(".", 1)[1],
        lambda token: token.split(".")[0] + ".." + token.split(".")[2],
        lambda token: token.replace("e", "\u0435", 1),
        lambda token: token + "\ud800",
        lambda token: "Bearer " + token,
    ],
)
def test_only_three_parts_of_base64url_between_dots_are_a_token(write: Any) -> None:
    refused = refusal_of_any(write(encode(claims())))

    assert (refused.code, refused.why) == (
        TokenRefusal.MALFORMED,
        "it is not three parts of base64url between dots",
    )


def test_a_token_has_a_bounded_length() -> None:
    token = encode(claims(roles=["x"]))
    longest = encode(claims(roles=["x" * ((MAX_TOKEN_CHARACTERS - len(token)) * 3 // 4)]))

    assert MAX_TOKEN_CHARACTERS - 2 <= len(longest) <= MAX_TOKEN_CHARACTERS
    assert READER.read_participant(longest, NOW).id == "alice"
    assert refusal("x" * MAX_TOKEN_CHARACTERS).why == "it is not three parts of base64url between dots"
    refused = refusal("x" * (MAX_TOKEN_CHARACTERS + 1))
    assert (refused.code, refused.why) == (
        TokenRefusal.MALFORMED,
        "it is longer than 16384 characters",
    )


def test_bits_that_base64url_leaves_over_are_no_second_spelling() -> None:
    token = encode(claims())
    for position, name in ((0, "header"), (1, "payload"), (2, "signature")):
        parts = token.split(".")
        if len(parts[position]) % 4 == 0:
            continue
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        parts[position] = parts[position][:-1] + alphabet[alphabet.index(parts[position][-1]) ^ 1]

        refused = refusal(".".join(parts))

        assert (refused.code, refused.why) == (
            TokenRefusal.MALFORMED,
            "it is not encoded as tokens are",
        ), name


@pytest.mark.parametrize(
    "header",
    [
        b'{"typ":"mcpx-admin+jwt","typ":"mcpx+jwt","alg":"HS256"}',
        b'{"alg":"none","alg":"HS256","typ":"mcpx+jwt"}',
        b'["HS256"]',
        b'"HS256"',
        b"not json",
        b'{"alg":"HS256","typ":"mcpx+jwt"',
        b'{"alg":"HS256","typ":"mcpx+jwt","x":NaN}',
        b'{"alg":"HS256","typ":"mcpx+jwt","x":"\xff"}',
        b"[" * 3000,
    ],
)
def test_a_header_that_two_readers_would_read_differently_is_refused(header: bytes) -> None:
    refused = refusal(sign(header))

    assert (refused.code, refused.why) == (
        TokenRefusal.MALFORMED,
        "its header must be a JSON object that all readers read alike",
    )


@pytest.mark.parametrize("header", ["A", "AAAAA"])
def test_a_header_that_is_no_base64url_is_refused(header: str) -> None:
    refused = refusal(f"{header}.e30.AA")

    assert (refused.code, refused.why) == (TokenRefusal.MALFORMED, "its header is no base64url")


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text.replace('"sub": "alice"', '"sub": "mallory", "sub": "alice"'),
        lambda text: text.replace('"sub": "alice"', '"sub": "alice", "roles": [{"a": 1, "a": 2}]'),
        lambda text: "[]",
        lambda text: "null",
        lambda text: text[:-1],
        lambda text: text.replace("alice", "\\ud800"),
    ],
)
def test_claims_that_two_readers_would_read_differently_are_refused(write: Any) -> None:
    refused = refusal(encode(write(json.dumps(claims())).encode()))

    assert (refused.code, refused.why) == (
        TokenRefusal.MALFORMED,
        "its claims must be a JSON object that all readers read alike",
    )


@spec("mcpx identity token never in messages")
def test_a_refusal_is_one_sentence_without_the_token() -> None:
    refused = refusal(encode(claims(exp=NOW)))

    assert str(refused) == "The token is refused: it has expired; get a new one"
    assert refused.args == (TokenRefusal.EXPIRED, "it has expired; get a new one")
