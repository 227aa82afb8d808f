"""
What is fuzzed: each target takes any bytes, and raises when a promise is broken.

A reader may refuse by its own error and by no other; what it accepts must be
what the bytes say, as a second reader sees them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, Final

from capabilities import (
    CapabilitySet,
    KeyRing,
    Pattern,
    PatternError,
    TokenReader,
    TokenRefused,
    keys_from_secret,
)
from schemas import (
    Envelope,
    EnvelopeError,
    Kind,
    KindError,
    McpxError,
    PayloadError,
    encode_envelope,
    is_participant_id,
    payload_of,
)
from tests.capabilities.signing import AUDIENCE, ISSUER, NOW, SECRET, sign
from tests.capabilities.slow_matcher import slow_grants

CORPUS: Final = Path(__file__).with_name("corpus")

_READER: Final = TokenReader(KeyRing(keys_from_secret(SECRET)), ISSUER, AUDIENCE)


def read_envelope(data: bytes) -> None:
    """A text is refused by name, or its header is what Python's own reader sees, and its bytes are kept."""
    try:
        envelope = Envelope.parse(data)
    except EnvelopeError as error:
        _check_told(error)
        return
    seen = json.loads(data)
    assert envelope.data == data
    assert (envelope.id, envelope.sender, str(envelope.kind)) == (seen["id"], seen["from"], seen["kind"])
    assert (envelope.correlation_id, envelope.ts) == (seen.get("correlation_id"), seen.get("ts"))
    assert (list(envelope.to), seen["protocol"]) == (seen.get("to", []), "mcpx/v0.1")
    assert "auth" not in (name.lower() for name in seen)
    try:
        payload = payload_of(envelope)
    except PayloadError:
        return
    # Participants pass on what they parsed, never what came: it must survive that.
    again = encode_envelope(
        id=envelope.id, ts="2025-08-26T14:00:00Z", sender=envelope.sender, kind=envelope.kind, payload=payload
    )
    assert payload_of(Envelope.parse(again)) == payload


def match_pattern(data: bytes) -> None:
    """`PATTERN\\nKIND`: both matchers agree, and nothing grants a reserved kind."""
    text, _, kind_text = data.decode("utf-8", "replace").partition("\n")
    try:
        pattern = Pattern.parse(text)
    except PatternError as error:
        _check_told(error)
        return
    assert str(Pattern.parse(str(pattern))) == str(pattern)
    try:
        kind = Kind.parse(kind_text)
    except KindError:
        return
    granted = CapabilitySet.of([text]).grants(kind)
    assert not (granted and kind.is_reserved)
    if len(data) < 200 and text.count("*") <= 4:  # the slow matcher is that
        assert granted == slow_grants(text, kind_text)


def read_token(data: bytes) -> None:
    """A text is no token; or, as `HEADER\\nCLAIMS` rightly signed, it keeps every rule or is refused."""
    head, newline, claims = data.partition(b"\n")
    texts = [data.decode("latin-1")] + ([sign(head, claims)] if newline and claims else [])
    for text in texts:
        for read in (_READER.read_participant, _READER.read_admin):
            try:
                found: Any = read(text, NOW)
            except TokenRefused as refused:
                _check_told(refused)
                continue
            said = json.loads(claims)
            assert json.loads(head)["alg"] == "HS256"
            assert said["iss"] == ISSUER
            assert said["aud"] == AUDIENCE or AUDIENCE in said["aud"]
            assert found.id == said["sub"]
            assert is_participant_id(found.id)
            assert said["iat"] - 30 <= NOW < said["exp"] <= said["iat"] + 86_400
            assert "cnf" not in said


def _check_told(error: McpxError) -> None:
    """A refusal is one line that a person can read, and no copy of what was sent."""
    assert 0 < len(str(error)) < 1_000
    assert "\n" not in str(error)


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = MappingProxyType(
    {"envelope": read_envelope, "pattern": match_pattern, "token": read_token}
)
"""By the name of its corpus."""


def seeds(name: str) -> list[bytes]:
    """The texts that fuzzing starts from, with what once broke a promise."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def mutated(random: Random, seed: bytes, other: bytes) -> bytes:
    """Change a text as a fuzzer does, without looking at what that reaches."""
    data = bytearray(seed)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0:
                data[at : at + random.choice((1, 1, 4, 32))] = b""
            case 1:
                data[at:at] = random.randbytes(random.choice((1, 2, 8)))
            case 2:
                data[at : at + 1] = random.choice(
                    (b'"', b"\\", b":", b"*", b"/", b"{", b"\x00", b"\xff", b"\n", b".")
                )
            case 3:
                data[at:at] = data[random.randrange(len(data) + 1) :][:32]
            case 4:
                data[at:at] = other[random.randrange(len(other) + 1) :][:64]
            case _:
                data[at : at + 1] = (
                    bytes((data[at] ^ (1 << random.randrange(8)),)) if at < len(data) else b"9" * 400
                )
    return bytes(data)
