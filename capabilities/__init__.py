"""Who may say it: patterns, sets of capabilities, profiles, promotions, tokens and revocations."""

from capabilities.amendments import Amendment, Change, Effect, amend, effective, revert
from capabilities.claims import AdminClaims, ParticipantClaims, is_jti, is_topic_grant
from capabilities.errors import (
    PatternError,
    ProfileTaken,
    StillGranted,
    TokenRefusal,
    TokenRefused,
    TokenSettingsError,
    UnknownProfile,
)
from capabilities.explanations import Explanation, explain
from capabilities.issuing import issue_token
from capabilities.keys import Algorithm, Key, KeyRing, keys_from_jwks, keys_from_pem, keys_from_secret
from capabilities.patterns import Pattern, covers, overlaps
from capabilities.profiles import PROFILES, Profiles
from capabilities.revocations import Revocation, is_revoked, still_needed, with_revocation
from capabilities.sets import EMPTY, CapabilitySet
from capabilities.tokens import ADMIN_TYP, LEEWAY_S, PARTICIPANT_TYP, TokenReader

__all__ = [
    "ADMIN_TYP",
    "EMPTY",
    "LEEWAY_S",
    "PARTICIPANT_TYP",
    "PROFILES",
    "AdminClaims",
    "Algorithm",
    "Amendment",
    "CapabilitySet",
    "Change",
    "Effect",
    "Explanation",
    "Key",
    "KeyRing",
    "ParticipantClaims",
    "Pattern",
    "PatternError",
    "ProfileTaken",
    "Profiles",
    "Revocation",
    "StillGranted",
    "TokenReader",
    "TokenRefusal",
    "TokenRefused",
    "TokenSettingsError",
    "UnknownProfile",
    "amend",
    "covers",
    "effective",
    "explain",
    "is_jti",
    "is_revoked",
    "is_topic_grant",
    "issue_token",
    "keys_from_jwks",
    "keys_from_pem",
    "keys_from_secret",
    "overlaps",
    "revert",
    "still_needed",
    "with_revocation",
]
