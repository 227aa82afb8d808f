"""What an admin took back: one token, or all that a participant has had so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from math import floor
from typing import Any, Protocol, Self

from schemas import JsonObject


class Revocable(Protocol):
    """What a revocation needs to know of a token."""

    @property
    def id(self) -> str: ...
    @property
    def jti(self) -> str: ...
    @property
    def iat(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """
    One revocation, by token or by participant.

    By participant it takes every token issued up to the second `until_iat`; a
    later token works.
    """

    jti: str | None = None
    participant: str | None = None
    topic: str | None = None
    """`None`: in every topic."""
    until_iat: float | None = None
    """Unix seconds; with `participant` only."""
    reason: str = ""
    by: str
    """The admin's id."""
    at: float
    """Unix seconds."""
    expires_at: float
    """Unix seconds; from then on every token that it takes has ended by itself."""

    def __post_init__(self) -> None:
        if (self.jti is None) == (self.participant is None):
            raise ValueError("a revocation names a jti or a participant, and not both")
        if (self.participant is None) != (self.until_iat is None):
            raise ValueError("until_iat goes with a participant, and a participant with until_iat")

    @classmethod
    def of_token(
        cls,
        jti: str,
        *,
        by: str,
        at: float,
        max_lifetime_s: float,
        topic: str | None = None,
        reason: str = "",
    ) -> Self:
        """Revoke one token; `max_lifetime_s` is the longest that any token lives."""
        return cls(
            jti=jti, topic=topic, reason=reason, by=by, at=at, expires_at=_all_over(at, max_lifetime_s)
        )

    @classmethod
    def of_participant(
        cls,
        participant: str,
        *,
        by: str,
        at: float,
        max_lifetime_s: float,
        topic: str | None = None,
        reason: str = "",
    ) -> Self:
        """Revoke every token of a participant that was issued up to the second `at`."""
        return cls(
            participant=participant,
            topic=topic,
            until_iat=float(floor(at)),
            reason=reason,
            by=by,
            at=at,
            expires_at=_all_over(at, max_lifetime_s),
        )

    def takes(self, claims: Revocable, topic: str | None) -> bool:
        """Whether it takes this token in `topic`; with `None`, outside any, a narrower one does not count."""
        if self.topic is not None and self.topic != topic:
            return False
        if self.jti is not None:
            return self.jti == claims.jti
        assert self.until_iat is not None
        return self.participant == claims.id and floor(claims.iat) <= self.until_iat

    def to_json(self) -> JsonObject:
        """Return the revocation as a JSON object, for keeping and listing."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """
        Read what `to_json` returned.

        Raises:
            TypeError, ValueError: it is something else.
        """
        return cls(**value)


def is_revoked(revocations: Iterable[Revocation], claims: Revocable, topic: str | None = None) -> bool:
    """Whether one of `revocations` takes the token with these claims, in `topic`."""
    return any(revocation.takes(claims, topic) for revocation in revocations)


def with_revocation(kept: Iterable[Revocation], new: Revocation) -> list[Revocation]:
    """
    Return `kept` and, last, `new`, which takes the place of an earlier one of the same name and topic.

    It takes all tokens that the earlier one took, for as long, whichever clock was behind.
    """
    others: list[Revocation] = []
    for each in kept:
        if (each.jti, each.participant, each.topic) != (new.jti, new.participant, new.topic):
            others.append(each)
            continue
        if new.until_iat is not None and each.until_iat is not None:
            new = replace(new, until_iat=max(new.until_iat, each.until_iat))
        new = replace(new, expires_at=max(new.expires_at, each.expires_at))
    return [*others, new]


def still_needed(revocations: Iterable[Revocation], now: float) -> list[Revocation]:
    """Return those that may still take a token; the others can be forgotten."""
    return [revocation for revocation in revocations if now < revocation.expires_at]


def _all_over(at: float, max_lifetime_s: float) -> float:
    # A token may be dated up to the leeway ahead of the clock that revokes it,
    # and one that is issued within the same second is taken too.
    return at + max_lifetime_s + 60.0
