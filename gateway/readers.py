"""Reading tokens while a secret is replaced: those signed with the old one open doors too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from capabilities import AdminClaims, ParticipantClaims, TokenReader, TokenRefusal, TokenRefused

_Claims = TypeVar("_Claims")


class Reader(Protocol):
    """Tells whether a token is ours. Both raise `TokenRefused`; `now` is in Unix seconds."""

    @property
    def max_lifetime_s(self) -> float:
        """Seconds that a token may live."""
        ...

    def read_participant(self, token: str, now: float) -> ParticipantClaims:
        """Return what a participant's token says."""
        ...

    def read_admin(self, token: str, now: float) -> AdminClaims:
        """Return what an admin's token says."""
        ...


class AnyOf:
    """
    Several readers that differ in their secret.

    A token names no secret (it has no `kid`), so each is tried; all are HS256,
    so which one is tried changes nothing of how.
    """

    def __init__(self, readers: Sequence[TokenReader]) -> None:
        assert readers, "there is one secret at least"
        self._readers = readers

    @property
    def max_lifetime_s(self) -> float:
        return self._readers[0].max_lifetime_s

    def read_participant(self, token: str, now: float) -> ParticipantClaims:
        return self._first(lambda reader: reader.read_participant(token, now))

    def read_admin(self, token: str, now: float) -> AdminClaims:
        return self._first(lambda reader: reader.read_admin(token, now))

    def _first(self, read: Callable[[TokenReader], _Claims]) -> _Claims:
        *others, last = self._readers
        for reader in others:
            try:
                return read(reader)
            except TokenRefused as refused:
                if refused.code is not TokenRefusal.SIGNATURE:
                    raise
        return read(last)
