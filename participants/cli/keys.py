"""
The keys with which this machine may issue tokens, and check them.

In this order: `MCPX_JWT_SECRET`, the first line of `MCPX_JWT_SECRET_FILE`,
`MCPX_JWT_KEY_FILE`, the file that the gateway or `mcpx run` made in the state
directory. With `MCPX_JWKS_URL` alone there are none: the private keys are with
whoever publishes that list. Whoever holds one that signs can be anybody in
every topic, so only the operator's account may read it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from capabilities import (
    Key,
    KeyRing,
    TokenReader,
    TokenSettingsError,
    issue_token,
    keys_from_jwks,
    keys_from_pem,
    keys_from_secret,
)
from participants.cli.errors import CommandError
from participants.cli.state import KEY_FILE, make_secret, read_secret, state_directory

DEFAULT_ISSUER: Final = "mcpx"
DEFAULT_AUDIENCE: Final = "mcpx-gateway"
MAX_LIFETIME_S: Final = 86400.0
"""Seconds that a token may live unless a gateway's settings say otherwise."""


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """The keys of this machine, and where they came from."""

    ring: KeyRing
    source: str
    issuer: str
    audience: str

    def issue(
        self,
        subject: str,
        topics: Sequence[str],
        *,
        capabilities: Sequence[str] | None = None,
        profile: str | None = None,
        ttl_s: float = 3600.0,
        admin: bool = False,
        roles: Sequence[str] = (),
        jti: str | None = None,
    ) -> str:
        """
        Return a signed token, valid from now on.

        Raises:
            CommandError: none of the keys can sign.
        """
        key = next((key for key in self.ring if key.signing is not None), None)
        if key is None:
            raise CommandError(
                f"{self.source} cannot sign tokens",
                why="It holds public keys only, which check signatures",
                do="Issue tokens where the private key is",
            )
        return issue_token(
            key,
            issuer=self.issuer,
            audience=self.audience,
            subject=subject,
            topics=topics,
            capabilities=capabilities,
            profile=profile,
            ttl_s=max(1, int(ttl_s)),
            now=time.time(),
            jti=jti or uuid4().hex,
            admin=admin,
            roles=roles,
        )

    def reader(self) -> TokenReader:
        """What a gateway with these keys and otherwise plain settings accepts."""
        return TokenReader(self.ring, self.issuer, self.audience)


def find_keys(env: Mapping[str, str], *, make: bool = False) -> LocalKeys | None:
    """
    Return the keys of this machine; `None`: there are none, and `make` did not ask for one, or may not.

    Raises:
        CommandError: there are some, and they cannot be used.
    """
    state_file = state_directory(env) / KEY_FILE
    try:
        if secret := env.get("MCPX_JWT_SECRET"):
            keys, source = keys_from_secret(secret), "MCPX_JWT_SECRET"
        elif path := env.get("MCPX_JWT_SECRET_FILE"):
            keys, source = keys_from_secret(_first_line(Path(path).expanduser())), path
        elif path := env.get("MCPX_JWT_KEY_FILE"):
            keys, source = _keys_of_file(Path(path).expanduser()), path
        elif env.get("MCPX_JWKS_URL"):
            return None  # a gateway with these settings would take no token signed by a key of this machine
        elif make:
            keys, source = keys_from_secret(make_secret(state_file.parent)), str(state_file)
        elif state_file.exists():
            keys, source = keys_from_secret(read_secret(state_file)), str(state_file)
        else:
            return None
        ring = KeyRing(keys)
    except TokenSettingsError as error:
        raise CommandError(
            "The key of this machine cannot be used", why=str(error), do="Run `mcpx doctor`"
        ) from error
    return LocalKeys(
        ring,
        source,
        env.get("MCPX_ISSUER") or DEFAULT_ISSUER,
        env.get("MCPX_AUDIENCE") or DEFAULT_AUDIENCE,
    )


def require_keys(env: Mapping[str, str], *, make: bool = False) -> LocalKeys:
    """
    Return the keys of this machine; `make` makes one where there is none.

    Raises:
        CommandError: there are none, or they cannot be used.
    """
    keys = find_keys(env, make=make)
    if keys is None and env.get("MCPX_JWKS_URL"):
        raise CommandError(
            "Tokens cannot be issued here",
            why="MCPX_JWKS_URL is set: the gateway takes only tokens signed by whoever publishes those keys",
            do="Use tokens of that issuer (--token-file, MCPX_TOKEN); or unset MCPX_JWKS_URL, and this"
            " machine's own key is used",
        )
    if keys is None:
        file = state_directory(env) / KEY_FILE
        raise CommandError(
            "There is no key to issue a token with",
            why=f"MCPX_JWT_SECRET and MCPX_JWT_KEY_FILE are not set, and {file} is missing",
            do="Start the gateway (or `mcpx run`) once on this machine: it makes the key;"
            " or use a token that the gateway's operator issued",
        )
    return keys


def _first_line(path: Path) -> str:
    """Return the secret that signs, where several are accepted while one replaces the other."""
    try:
        return path.read_text(encoding="utf-8").strip().split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"The secret file {path} cannot be read", why=str(error), do="Check MCPX_JWT_SECRET_FILE"
        ) from error


def _keys_of_file(path: Path) -> list[Key]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommandError(
            f"The key file {path} cannot be read",
            why=error.strerror or str(error),
            do="Check MCPX_JWT_KEY_FILE",
        ) from error
    return keys_from_jwks(data) if data.lstrip()[:1] == b"{" else keys_from_pem(data)
