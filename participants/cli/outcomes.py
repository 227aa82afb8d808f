"""Errors of the other rooms as what, why, what to do, and an exit status: one table."""

from __future__ import annotations

from typing import Final

from capabilities import PatternError, TokenRefused, TokenSettingsError, UnknownProfile
from participants.cli.errors import CommandError, ExitCode
from participants.errors import (
    Closed,
    ConnectionLost,
    HandshakeRefused,
    NotAllowed,
    ProposalExpired,
    ProposalRejected,
    ProposalWithdrawn,
    Refused,
    RequestFailed,
)
from schemas import CloseCode, KindError, McpxError, NameRefused, PayloadError

_ASK_AN_ADMIN: Final = (
    "Ask an admin for the capability: `mcpx promote PARTICIPANT --add PATTERN --reason TEXT`"
)
_RENEW: Final = "Get a new token: `mcpx token issue`, or ask the gateway's operator"
_HANDSHAKES: Final = {
    400: ("Check --topic", ExitCode.USAGE),
    401: (_RENEW, ExitCode.REFUSED),
    403: ("Use a topic that the token names; `mcpx token inspect` shows them", ExitCode.REFUSED),
    404: ("Is that a gateway? Check --url", ExitCode.UNREACHABLE),
    503: ("Wait a little and try again", ExitCode.UNREACHABLE),
}
_CLOSES: Final = {
    CloseCode.TOKEN_EXPIRED: (_RENEW, ExitCode.REFUSED),
    CloseCode.REVOKED: ("An admin took the access away; ask them", ExitCode.REFUSED),
    CloseCode.DISCONNECTED: ("An admin ended the connection; you may connect again", ExitCode.REFUSED),
}


def explain_failure(error: McpxError) -> CommandError:
    """Say what a person can do about an error, and how the command exits."""
    match error:
        case CommandError():
            return error
        case HandshakeRefused():
            do, code = _HANDSHAKES.get(error.status, ("", ExitCode.UNREACHABLE))
            return CommandError(
                f"The gateway refused the connection ({error.status})", why=error.detail, do=do, code=code
            )
        case Closed():
            do, code = (
                _CLOSES.get(CloseCode(error.code), ("", ExitCode.UNREACHABLE))
                if error.code in _KNOWN
                else ("", ExitCode.UNREACHABLE)
            )
            return CommandError(str(error), do=do, code=code)
        case ConnectionLost():
            return CommandError(
                str(error),
                do="Is the gateway running? Check --url, or start one: `mcpx run`",
                code=ExitCode.UNREACHABLE,
            )
        case NotAllowed():
            return CommandError(str(error), do=_ASK_AN_ADMIN, code=ExitCode.REFUSED)
        case Refused():
            return CommandError(str(error), code=ExitCode.REFUSED)
        case ProposalRejected():
            return CommandError(str(error), code=ExitCode.REFUSED)
        case ProposalExpired() | ProposalWithdrawn() | RequestFailed():
            return CommandError(str(error))
        case PatternError() | UnknownProfile() | NameRefused() | KindError() | PayloadError():
            return CommandError(str(error), code=ExitCode.USAGE)
        case TokenRefused():
            return CommandError(str(error), do=_RENEW, code=ExitCode.REFUSED)
        case TokenSettingsError():
            return CommandError("The key cannot be used", why=str(error), do="Run `mcpx doctor`")
        case _:
            return CommandError(str(error))


_KNOWN: Final = frozenset(int(code) for code in CloseCode)
