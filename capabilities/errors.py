"""
What this room refuses.

    McpxError
      PatternError             a text that may not stand as a capability
      UnknownProfile           nobody has named a profile so
      ProfileTaken             a setting would give a built-in profile another meaning
      StillGranted             a pattern cannot be taken away while another grants the same
      TokenRefused             a token that opens nothing; `code` says which rule it breaks
      TokenSettingsError       ours: a key or a rule for tokens that must not be used
"""

from __future__ import annotations

from enum import StrEnum

from schemas import McpxError


class PatternError(McpxError):
    """A text that may not stand as a capability (MCPx 4.1, Wildcard Patterns)."""

    code = "invalid_pattern"

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text, why)
        self.text, self.why = text, why

    def __str__(self) -> str:
        return f"{self.text[:64]!r} is no capability: {self.why}"


class UnknownProfile(McpxError, KeyError):
    """A name that stands for no set of capabilities."""

    code = "unknown_profile"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"There is no capability profile {self.name[:64]!r}"


class ProfileTaken(McpxError):
    """A profile in the settings has the name of a built-in one, which would change its meaning."""

    code = "profile_taken"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"The profile {self.name!r} is built in; give yours another name"


class StillGranted(McpxError):
    """Taking `pattern` away would leave some of it in place, because `by` grants that too."""

    code = "still_granted"

    def __init__(self, pattern: str, by: str) -> None:
        super().__init__(pattern, by)
        self.pattern, self.by = pattern, by

    def __str__(self) -> str:
        return f"'{self.pattern}' cannot be removed: '{self.by}' still grants it, wholly or partly"


class TokenRefusal(StrEnum):
    """Which rule a token breaks; stable, for logs and metrics."""

    MALFORMED = "malformed"
    HEADER = "header"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_KEY = "unknown_key"
    ALGORITHM = "algorithm"
    SIGNATURE = "signature"
    CLAIM = "claim"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    LIFETIME = "lifetime"
    SUBJECT = "subject"
    TOPICS = "topics"
    CAPABILITIES = "capabilities"
    PROFILE = "profile"
    BOUND = "bound"


class TokenRefused(McpxError):
    """A token that opens nothing here. Neither the token nor a part of it stands in the text."""

    def __init__(self, code: TokenRefusal, why: str) -> None:
        super().__init__(code, why)
        self.code, self.why = code, why

    def __str__(self) -> str:
        return f"The token is refused: {self.why}"


class TokenSettingsError(McpxError):
    """A key, or a rule for reading tokens, with which no gateway may start."""

    code = "token_settings"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return self.why
