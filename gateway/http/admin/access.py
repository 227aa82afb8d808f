"""Who is at the admin door (MCPx 11.3; RFC 6750)."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request

from capabilities import TokenRefusal, TokenRefused, is_revoked
from gateway.broker.protocol import Broker
from gateway.clock import Clock
from gateway.http.admin.rules import Admin
from gateway.http.bearer import bearer_token
from gateway.http.problems import Problem, ProblemCode
from gateway.readers import Reader


class AdminAccess:
    """Lets admins in by their bearer tokens, and nobody else."""

    def __init__(self, broker: Broker, tokens: Callable[[], Reader], clock: Clock) -> None:
        """`tokens` returns the reader with the keys that hold now."""
        self._broker, self._tokens, self._clock = broker, tokens, clock

    async def admit(self, request: Request) -> Admin:
        """
        Return the admin whose token the request brings.

        Raises:
            Problem: no token or a bad one (401), or a participant's (403).
            BrokerUnavailable: whether the token was revoked cannot be known.
        """
        token, now, reader = (
            bearer_token(request.headers.getlist("authorization")),
            self._clock.now(),
            self._tokens(),
        )
        if token is None:
            raise Problem(ProblemCode.TOKEN_MISSING, "Bring one admin token in Authorization: Bearer")
        try:
            claims = reader.read_admin(token, now)
        except TokenRefused as refused:
            if refused.code is TokenRefusal.WRONG_TYPE and _is_participant(reader, token, now):
                why = "A participant's token opens no admin door"
                raise Problem(ProblemCode.NOT_AN_ADMIN, why) from None
            raise Problem(ProblemCode.TOKEN_REFUSED, str(refused), reason=str(refused.code)) from None
        revocations = tuple(
            revocation
            for revocation in await self._broker.revocations()
            if revocation.takes(claims, revocation.topic)
        )
        if is_revoked(revocations, claims):
            raise Problem(ProblemCode.TOKEN_REFUSED, "The token was revoked", reason="revoked")
        return Admin(claims, revocations)


def _is_participant(reader: Reader, token: str, now: float) -> bool:
    try:
        reader.read_participant(token, now)
    except TokenRefused:
        return False
    return True
