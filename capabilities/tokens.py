"""
Reading a token (MCPx 5.1, Authentication and Capability Assignment; RFC 7519, RFC 8725).

PyJWT checks the signature, with the one algorithm of the one key that the
header names; all else is checked here. PyJWT's own time checks are not used:
they ask the machine's clock, and here the time is an argument. Header and
claims are parsed once each, refusing repeated keys, so nobody downstream can
read another value in them than the one that was checked.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self, TypeVar

import jwt
import msgspec

from capabilities.claims import MAX_JTI_CHARACTERS, AdminClaims, ParticipantClaims, is_jti, is_topic_grant
from capabilities.errors import PatternError, TokenRefusal, TokenRefused, TokenSettingsError, UnknownProfile
from capabilities.keys import ALGORITHMS, Key, KeyRing
from capabilities.profiles import Profiles
from capabilities.sets import EMPTY, CapabilitySet
from schemas import JsonObject, PayloadError, is_participant_id, parse_strictly

PARTICIPANT_TYP: Final = "mcpx+jwt"
"""Header `typ` of a participant's token: a token made for another use is none (RFC 8725 3.11)."""

ADMIN_TYP: Final = "mcpx-admin+jwt"
"""Header `typ` of an admin's token."""

LEEWAY_S: Final = 30
"""Seconds by which an issuer's clock may be ahead: for `iat` and `nbf`, never for `exp`."""

DAY_S: Final = 86_400

MAX_TOKEN_CHARACTERS: Final = 16_384
"""More than any header line that carries one."""

_LAST_SECOND: Final = 253_402_300_799
"""Of the year 9999: a later time is a mistake, and a float too large is no time."""

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)

_REFUSED_HEADERS: Final = ("jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc")
"""By these a token would choose its own key, or ask to be read in another way (RFC 8725 3.10)."""

_T = TypeVar("_T")

_jws: Final = jwt.PyJWS(algorithms=ALGORITHMS)


@dataclass(frozen=True, slots=True)
class TokenReader:
    """
    Reads the tokens of one issuer, meant for one audience.

    Raises:
        TokenSettingsError: participants and admins would have the same `typ`,
            or there is no issuer or audience to compare with.
    """

    keys: KeyRing
    issuer: str
    """`iss`, exactly."""
    audience: str
    """This gateway's name in `aud`, exactly."""
    max_lifetime_s: float = field(default=DAY_S, kw_only=True)
    """Seconds from `iat` to `exp` at most."""
    profiles: Mapping[str, CapabilitySet] = field(default_factory=Profiles, kw_only=True)
    participant_typ: str = field(default=PARTICIPANT_TYP, kw_only=True)
    admin_typ: str = field(default=ADMIN_TYP, kw_only=True)

    def __post_init__(self) -> None:
        if self.participant_typ == self.admin_typ:
            raise TokenSettingsError("Tokens of participants and of admins need different 'typ'")
        if not (self.issuer and self.audience and self.participant_typ and self.admin_typ):
            raise TokenSettingsError("Issuer, audience and 'typ' of tokens must be named")

    def with_keys(self, keys: KeyRing) -> Self:
        """Return a reader with the same rules and other keys."""
        return replace(self, keys=keys)

    def read_participant(self, token: str, now: float) -> ParticipantClaims:
        """
        Return what a participant's token says; `now` is in Unix seconds.

        Raises:
            TokenRefused: it opens nothing here; the code says which rule it breaks.
        """
        claims = self._believe(token, self.participant_typ, now)
        return ParticipantClaims(
            id=_subject(claims),
            topics=_topics(claims),
            capabilities=self._capabilities(claims),
            roles=_strings(claims, "roles") if "roles" in claims else (),
            jti=_jti(claims),
            iat=_time(claims, "iat"),
            exp=_time(claims, "exp"),
            act=_claim(claims, "act", JsonObject, "an object") if "act" in claims else None,
        )

    def read_admin(self, token: str, now: float) -> AdminClaims:
        """
        Return what an admin's token says; `now` is in Unix seconds.

        Raises:
            TokenRefused: it opens nothing here; the code says which rule it breaks.
        """
        claims = self._believe(token, self.admin_typ, now)
        return AdminClaims(
            id=_subject(claims),
            topics=_topics(claims),
            may_grant=self._capabilities(claims),
            jti=_jti(claims),
            iat=_time(claims, "iat"),
            exp=_time(claims, "exp"),
        )

    def _believe(self, token: str, typ: str, now: float) -> JsonObject:
        """Return the claims of a token that is genuine, for us, of this type, and of now."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenRefused(TokenRefusal.MALFORMED, f"it is longer than {MAX_TOKEN_CHARACTERS} characters")
        compact = _COMPACT.fullmatch(token)
        if compact is None:
            raise TokenRefused(TokenRefusal.MALFORMED, "it is not three parts of base64url between dots")
        header = _header(compact[1])
        key = self._key_for(header, typ)
        claims = _checked_claims(token, key)
        self._check_origin(claims)
        self._check_times(claims, now)
        if "cnf" in claims:
            why = "it is bound to a key ('cnf'), and proof of possession is not built"
            raise TokenRefused(TokenRefusal.BOUND, why)
        return claims

    def _key_for(self, header: JsonObject, typ: str) -> Key:
        refused = next((name for name in _REFUSED_HEADERS if name in header), None)
        if refused is not None:
            raise TokenRefused(TokenRefusal.HEADER, f"its header may not have '{refused}'")
        if header.get("typ") != typ:
            raise TokenRefused(TokenRefusal.WRONG_TYPE, f"its 'typ' must be '{typ}'")
        kid = _string(header, "kid") if "kid" in header else None
        key = self.keys.find(kid)
        if key is None:
            why = "no key has its 'kid'" if kid is not None else "it must name one of several keys by 'kid'"
            raise TokenRefused(TokenRefusal.UNKNOWN_KEY, why)
        if header.get("alg") != key.algorithm:
            raise TokenRefused(TokenRefusal.ALGORITHM, f"its 'alg' must be the key's, {key.algorithm}")
        return key

    def _check_origin(self, claims: JsonObject) -> None:
        if _string(claims, "iss") != self.issuer:
            raise TokenRefused(TokenRefusal.ISSUER, f"its 'iss' must be '{self.issuer}'")
        audience = claims.get("aud")
        meant_for = (audience,) if isinstance(audience, str) else _strings(claims, "aud")
        if self.audience not in meant_for:
            raise TokenRefused(TokenRefusal.AUDIENCE, f"its 'aud' must be or hold '{self.audience}'")

    def _check_times(self, claims: JsonObject, now: float) -> None:
        issued, expires = _time(claims, "iat"), _time(claims, "exp")
        if now >= expires:
            raise TokenRefused(TokenRefusal.EXPIRED, "it has expired; get a new one")
        if issued > now + LEEWAY_S:
            raise TokenRefused(TokenRefusal.NOT_YET, "its 'iat' lies in the future")
        if "nbf" in claims and _time(claims, "nbf") > now + LEEWAY_S:
            raise TokenRefused(TokenRefusal.NOT_YET, "its 'nbf' lies in the future")
        if not 0 < expires - issued <= self.max_lifetime_s:
            why = f"from 'iat' to 'exp' must be more than 0 and at most {self.max_lifetime_s:g} s"
            raise TokenRefused(TokenRefusal.LIFETIME, why)

    def _capabilities(self, claims: JsonObject) -> CapabilitySet:
        """Return what the profile and the patterns of a token grant together."""
        if "profile" not in claims and "capabilities" not in claims:
            raise TokenRefused(TokenRefusal.CLAIM, "it must have 'capabilities', 'profile', or both")
        granted = EMPTY
        try:
            if "profile" in claims:
                granted = self.profiles[_string(claims, "profile")]
            if "capabilities" in claims:
                granted = granted.union(CapabilitySet.of(_strings(claims, "capabilities")))
        except UnknownProfile as error:
            raise TokenRefused(TokenRefusal.PROFILE, str(error)) from None
        except PatternError as error:
            raise TokenRefused(TokenRefusal.CAPABILITIES, str(error)) from None
        return granted


def _parse(data: bytes, name: str) -> JsonObject:
    try:
        return msgspec.convert(parse_strictly(data), JsonObject)
    except (PayloadError, msgspec.ValidationError):
        why = f"its {name} must be a JSON object that all readers read alike"
        raise TokenRefused(TokenRefusal.MALFORMED, why) from None


def _header(part: str) -> JsonObject:
    """Decode the header before anything vouches for it; PyJWT refuses bits that base64url leaves over."""
    try:
        data = urlsafe_b64decode(part + "==")  # more padding than is due does no harm
    except ValueError:
        raise TokenRefused(TokenRefusal.MALFORMED, "its header is no base64url") from None
    return _parse(data, "header")


def _checked_claims(token: str, key: Key) -> JsonObject:
    try:
        payload: bytes = _jws.decode(token, key.checking, algorithms=[key.algorithm])
    except jwt.InvalidSignatureError:
        raise TokenRefused(TokenRefusal.SIGNATURE, "its signature is not the key's") from None
    except jwt.PyJWTError:
        raise TokenRefused(TokenRefusal.MALFORMED, "it is not encoded as tokens are") from None
    return _parse(payload, "claims")


def _claim(claims: JsonObject, name: str, type_: type[_T], what: str) -> _T:
    try:
        return msgspec.convert(claims.get(name), type_)
    except msgspec.ValidationError:
        raise TokenRefused(TokenRefusal.CLAIM, f"its '{name}' must be {what}") from None


def _string(claims: JsonObject, name: str) -> str:
    return _claim(claims, name, str, "a string")


def _strings(claims: JsonObject, name: str) -> tuple[str, ...]:
    return tuple(_claim(claims, name, list[str], "a list of strings"))


def _time(claims: JsonObject, name: str) -> float:
    seconds = _claim(claims, name, float, "seconds since 1970")
    if not 0 <= seconds <= _LAST_SECOND:
        raise TokenRefused(TokenRefusal.CLAIM, f"its '{name}' must be seconds since 1970")
    return seconds


def _subject(claims: JsonObject) -> str:
    subject = _string(claims, "sub")
    if not is_participant_id(subject):
        raise TokenRefused(TokenRefusal.SUBJECT, "its 'sub' is no participant id")
    return subject


def _jti(claims: JsonObject) -> str:
    jti = _string(claims, "jti")
    if not is_jti(jti):
        why = f"its 'jti' must be 1 to {MAX_JTI_CHARACTERS} characters of printable ASCII"
        raise TokenRefused(TokenRefusal.CLAIM, why)
    return jti


def _topics(claims: JsonObject) -> tuple[str, ...]:
    topics = _strings(claims, "topics")
    if not topics:
        raise TokenRefused(TokenRefusal.TOPICS, "its 'topics' name no topic")
    if not all(is_topic_grant(topic) for topic in topics):
        why = "its 'topics' must be names, or beginnings of names that end in '*'"
        raise TokenRefused(TokenRefusal.TOPICS, why)
    return topics
