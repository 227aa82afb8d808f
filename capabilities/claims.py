"""What a token says once it is believed: who its bearer is, where it may go, what it may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from capabilities.sets import CapabilitySet
from schemas import JsonObject, is_topic

EVERYWHERE: Final = "*"
"""Among a token's topics: every topic."""

MAX_JTI_CHARACTERS: Final = 256


@dataclass(frozen=True, slots=True)
class ParticipantClaims:
    """A participant, as its token describes it (MCPx 5.1, Authentication and Capability Assignment)."""

    id: str
    topics: tuple[str, ...]
    """Names, or prefixes that end in `*`."""
    capabilities: CapabilitySet
    roles: tuple[str, ...]
    jti: str
    iat: float
    """Unix seconds."""
    exp: float
    """Unix seconds; from then on the token opens nothing, and what it opened is closed."""
    act: JsonObject | None = field(default=None, hash=False)
    """On whose behalf, as the issuer says (RFC 8693 4.1); kept for the audit, it grants nothing."""

    def may_enter(self, topic: str) -> bool:
        """Whether the token names `topic`, or a beginning of it."""
        return _names(self.topics, topic)


@dataclass(frozen=True, slots=True)
class AdminClaims:
    """An admin, as its token describes it."""

    id: str
    topics: tuple[str, ...]
    """Names, or prefixes that end in `*`."""
    may_grant: CapabilitySet
    """The most that the admin may hand out."""
    jti: str
    iat: float
    """Unix seconds."""
    exp: float
    """Unix seconds."""

    def may_enter(self, topic: str) -> bool:
        """Whether the token names `topic`, or a beginning of it."""
        return _names(self.topics, topic)

    def may_act(self, topic: str | None) -> bool:
        """Whether the admin may act in `topic`; `None`, in all topics, needs a token that names `*`."""
        return EVERYWHERE in self.topics if topic is None else self.may_enter(topic)


def is_jti(text: str) -> bool:
    """Whether a token may be named so: 1 to 256 characters of printable ASCII."""
    return 1 <= len(text) <= MAX_JTI_CHARACTERS and text.isascii() and text.isprintable()


def is_topic_grant(text: str) -> bool:
    """Whether `text` is a topic's name, or a beginning of one followed by `*`."""
    if not text.endswith("*"):
        return is_topic(text)
    beginning = text[:-1]
    return is_topic(beginning + "x") or is_topic(beginning)


def _names(grants: tuple[str, ...], topic: str) -> bool:
    return is_topic(topic) and (
        topic in grants
        or EVERYWHERE in grants
        or any(topic.startswith(grant[:-1]) for grant in grants if grant.endswith("*"))
    )
