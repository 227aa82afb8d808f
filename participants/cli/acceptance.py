"""Waiting for an envelope to come back: that is how the gateway accepts it."""

from __future__ import annotations

import asyncio
from typing import Final

from participants.cli.errors import CommandError, ExitCode
from participants.client import ClientEvent, Disconnected, EventStream
from participants.conversation import ErrorHeard
from participants.errors import Closed, Refused

ACCEPTED_WITHIN_S: Final = 10.0


async def wait_accepted(events: EventStream, id: str) -> ClientEvent:
    """
    Return what an envelope of this participant meant when it came back; `events` is from before it was sent.

    Raises:
        Refused: the gateway did not take it.
        Closed: the connection ended first.
        CommandError: the gateway said nothing for ten seconds.
    """
    try:
        async with asyncio.timeout(ACCEPTED_WITHIN_S):
            async for event in events:
                match event:
                    case ErrorHeard(correlation_id=about, error=code, message=message) if about == id:
                        raise Refused(code, message)
                    case Disconnected(code=code, reason=reason):
                        raise Closed(code, reason)
                    case _ if getattr(event, "id", getattr(event, "envelope_id", None)) == id:
                        return event
                    case _:
                        pass
    except TimeoutError:
        raise CommandError(
            f"The gateway did not say within {ACCEPTED_WITHIN_S:g} s whether it took the envelope",
            code=ExitCode.UNREACHABLE,
        ) from None
    raise CommandError("The connection ended before the envelope came back", code=ExitCode.UNREACHABLE)
