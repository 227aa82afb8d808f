"""Making a token, for the gateway that is its own issuer, for the command line, and for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import jwt
import orjson

from capabilities.claims import is_topic_grant
from capabilities.errors import TokenSettingsError
from capabilities.keys import ALGORITHMS, Key
from capabilities.sets import CapabilitySet
from capabilities.tokens import ADMIN_TYP, PARTICIPANT_TYP
from schemas import JsonObject, NameRefused, check_participant_id

_jws: Final = jwt.PyJWS(algorithms=ALGORITHMS)


def issue_token(
    key: Key,
    *,
    issuer: str,
    audience: str,
    subject: str,
    topics: Iterable[str],
    capabilities: Iterable[str] | None = None,
    profile: str | None = None,
    ttl_s: int,
    now: float,
    jti: str,
    admin: bool = False,
    roles: Iterable[str] = (),
) -> str:
    """
    Return a signed token for `subject`, valid from the second of `now` for `ttl_s` seconds.

    Raises:
        NameRefused: `subject` is no participant id, or one of `topics` names no topic.
        PatternError: one of `capabilities` is none.
        TokenSettingsError: the key cannot sign, the token would never be
            valid, or it would grant nothing by neither profile nor patterns.
    """
    if key.signing is None:
        raise TokenSettingsError("A public key cannot sign tokens")
    if ttl_s <= 0:
        raise TokenSettingsError("A token lives longer than 0 seconds")
    issued = int(now)
    claims: JsonObject = {
        "iss": issuer,
        "sub": check_participant_id(subject),
        "aud": audience,
        "iat": issued,
        "exp": issued + ttl_s,
        "jti": jti,
        "topics": [_check_topic_grant(topic) for topic in topics],
    }
    if capabilities is None and profile is None:
        raise TokenSettingsError("A token names capabilities, a profile, or both")
    if capabilities is not None:
        claims["capabilities"] = list(CapabilitySet.of(capabilities).patterns)
    if profile is not None:
        claims["profile"] = profile
    if named := list(roles):
        claims["roles"] = named
    headers = {"typ": ADMIN_TYP if admin else PARTICIPANT_TYP}
    if key.kid is not None:
        headers["kid"] = key.kid
    return _jws.encode(orjson.dumps(claims), key.signing, algorithm=key.algorithm, headers=headers)


def _check_topic_grant(text: str) -> str:
    if not is_topic_grant(text):
        why = "a topic's name, or the beginning of one followed by '*'"
        raise NameRefused("topic or beginning of topics", text, why)
    return text
