"""Who may say it: patterns, sets of capabilities, profiles, promotions, tokens and revocations."""

from capabilities.amendments import Amendment, Change, Effect, amend, effective, next_expiry, revert
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
from capabilities.patterns import Pattern, covers, overlaps
from capabilities.profiles import PROFILES, Profiles
from capabilities.revocations import Revocation, is_revoked, still_needed
from capabilities.sets import EMPTY, CapabilitySet

__all__ = [
    "EMPTY",
    "PROFILES",
    "Amendment",
    "CapabilitySet",
    "Change",
    "Effect",
    "Explanation",
    "Pattern",
    "PatternError",
    "ProfileTaken",
    "Profiles",
    "Revocation",
    "StillGranted",
    "TokenRefusal",
    "TokenRefused",
    "TokenSettingsError",
    "UnknownProfile",
    "amend",
    "covers",
    "effective",
    "explain",
    "is_revoked",
    "next_expiry",
    "overlaps",
    "revert",
    "still_needed",
]
