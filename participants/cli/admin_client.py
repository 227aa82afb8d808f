"""The admin REST of a gateway (MCPx 11.3), as commands need it."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

import typer

from participants.cli.access import warn_if_exposed
from participants.cli.addresses import GatewayAddress
from participants.cli.credentials import find_token
from participants.cli.errors import CommandError, ExitCode
from participants.cli.keys import require_keys
from participants.cli.shapes import as_object
from schemas import JsonObject

AdminTokenFileOption = Annotated[
    str | None,
    typer.Option(
        "--admin-token-file",
        metavar="FILE|-",
        help="Read the admin token from a file, or from standard input (-). Else MCPX_ADMIN_TOKEN is used;"
        " without both, one is issued from this machine's key.",
    ),
]

_TIMEOUT_S: Final = 15.0
_OWN_TOKEN_TTL_S: Final = 60.0
_MOST: Final = ("mcp/*", "chat")
"""What a token issued for one call may hand out, beside the patterns that the call names."""

_ADVICE: Final = {
    401: (
        "The admin token is missing, expired or not accepted; issue one: `mcpx token issue --admin`",
        ExitCode.REFUSED,
    ),
    403: ("Use an admin token whose topics and capabilities cover this", ExitCode.REFUSED),
    404: ("It must have joined this gateway once; check the spelling", ExitCode.FAILED),
    409: ("Remove that pattern too, or instead", ExitCode.FAILED),
    422: ("Correct what the message names", ExitCode.USAGE),
    503: ("Wait a little and try again", ExitCode.UNREACHABLE),
}


class AdminClient:
    """Calls one gateway as one admin."""

    def __init__(self, address: GatewayAddress, token: str) -> None:
        self._address, self._token = address, token

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
    ) -> JsonObject:
        """
        Return the JSON object that the gateway answers with.

        Raises:
            CommandError: nobody answers, or the answer is a refusal.
        """
        import httpx

        warn_if_exposed(self._address)
        try:
            # A proxy of the environment has no business between here and this machine.
            is_here = (urlsplit(self._address.http_url).hostname or "") in {"localhost", "127.0.0.1", "::1"}
            with httpx.Client(timeout=_TIMEOUT_S, trust_env=not is_here) as http:
                response = http.request(
                    method,
                    self._address.http_url + path,
                    params=query,
                    json=body,
                    headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
                )
        except httpx.HTTPError as error:
            raise CommandError(
                f"The gateway at {self._address.http_url} cannot be reached",
                why=str(error) or type(error).__name__,
                do="Is it running? Check --url, or start one: `mcpx run`",
                code=ExitCode.UNREACHABLE,
            ) from error
        answer = _object_of(response)
        if response.status_code // 100 != 2:
            do, code = _ADVICE.get(response.status_code, ("", ExitCode.FAILED))
            why = str(answer.get("detail") or answer.get("title") or response.reason_phrase)
            raise CommandError(f"The gateway refused it ({response.status_code})", why=why, do=do, code=code)
        return answer


def _object_of(response: Any) -> JsonObject:
    try:
        value = response.json()
    except ValueError:
        return {}
    return as_object(value) or {}


def admin_client(
    url: str,
    token_file: str | None,
    *,
    topic: str | None = None,
    patterns: Sequence[str] = (),
    env: Mapping[str, str] = os.environ,
) -> AdminClient:
    """
    Bring together the gateway and an admin token.

    Without a token one is issued from this machine's key: for one minute, for
    `topic` or all, able to hand out `patterns`.

    Raises:
        CommandError: there is neither token nor key.
    """
    address = GatewayAddress.parse(url)
    token = find_token(env, "MCPX_ADMIN_TOKEN", token_file)
    if token is None:
        keys = require_keys(env)
        token = keys.issue(
            operator_id(),
            ["*" if topic is None else topic],
            capabilities=list(dict.fromkeys([*_MOST, *patterns])),
            ttl_s=_OWN_TOKEN_TTL_S,
            admin=True,
        )
    return AdminClient(address, token)


def operator_id() -> str:
    """A participant id for whoever runs the command; it stands in the audit log."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f"operator-{re.sub(r'[^A-Za-z0-9._@-]', '-', user)}"[:128]


def path_segment(text: str) -> str:
    """One percent-encoded segment of a path."""
    return quote(text, safe="")
