"""Where the keys that sign tokens come from: a secret, a file, or an address that rotates them."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

import httpx
import structlog

from capabilities import (
    Key,
    KeyRing,
    ParticipantClaims,
    TokenReader,
    TokenSettingsError,
    keys_from_jwks,
    keys_from_pem,
    keys_from_secret,
)
from gateway.errors import SettingsError
from gateway.settings import Settings

log = structlog.get_logger("gateway.keys")

_REFRESH_S: Final = 300.0
_RETRY_S: Final = 15.0
_FETCH_S: Final = 5.0
"""For all of it: an answer that trickles in could take for ever."""
_BELIEVED: Final = 4096
"""Tokens whose signature is remembered to be good."""
_MAX_JWKS_BYTES: Final = 1 << 18
_NO_KEYS: Final = (httpx.HTTPError, httpx.InvalidURL, TokenSettingsError, ValueError)


class Keys:
    """The token reader in force, renewed while an issuer rotates its keys."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._refreshing: asyncio.Task[None] | None = None
        self._profiles = settings.profiles()
        self._reader: TokenReader | None = None
        self._believed: dict[bytes, ParticipantClaims] = {}
        """By SHA-256 of the token; forgotten when the keys change."""
        if settings.jwks_url is None:
            self._reader = self._read_configured()

    @property
    def reader(self) -> TokenReader:
        """The reader that tells whether a token is ours, as of now."""
        assert self._reader is not None, "start() comes first where keys are kept elsewhere"
        return self._reader

    def read_participant(self, token: str, now: float) -> ParticipantClaims:
        """
        Return what a participant's token says; one that was believed before is not verified again.

        Raises:
            TokenRefused: it opens nothing here.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._believed.get(digest)
        if known is not None and now < known.exp:
            return known
        claims = self.reader.read_participant(token, now)
        if len(self._believed) >= _BELIEVED:
            self._believed.clear()
        self._believed[digest] = claims
        return claims

    async def start(self) -> None:
        """
        Fetch keys that are kept elsewhere, and go on fetching them.

        Raises:
            SettingsError: they cannot be had: nobody could come in.
        """
        url = self._settings.jwks_url
        if url is None:
            return
        try:
            await self.renew(url)
        except _NO_KEYS as error:
            raise SettingsError("MCPX_JWKS_URL", f"no keys from {url} ({error})") from error
        self._refreshing = asyncio.create_task(self._refresh(url), name="keys.refresh")

    async def renew(self, url: str) -> None:
        """
        Fetch the keys that hold from now on; what an earlier one signed is verified again.

        Raises:
            httpx.HTTPError, httpx.InvalidURL, TokenSettingsError, ValueError: there
                are none to be had; the earlier ones hold.
        """
        self._reader = self._read(await _fetch(url))
        self._believed.clear()

    async def stop(self) -> None:
        """Fetch no more."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def _refresh(self, url: str) -> None:
        pause = _REFRESH_S
        while True:
            await asyncio.sleep(pause)
            try:
                await self.renew(url)
                pause = _REFRESH_S
            except _NO_KEYS as error:
                log.warning("keys.not_refreshed", url=url, why=str(error), next=f"again in {_RETRY_S:.0f} s")
                pause = _RETRY_S

    def _read_configured(self) -> TokenReader:
        secret, file = self._settings.jwt_secret, self._settings.jwt_key_file
        if secret is not None:
            try:
                return self._read(keys_from_secret(secret))
            except TokenSettingsError as error:
                raise SettingsError("MCPX_JWT_SECRET", str(error)) from error
        assert file is not None, "with_secret() leaves no settings without a key"
        try:
            content = file.read_bytes()
            is_jwks = content.lstrip()[:1] == b"{"
            return self._read(keys_from_jwks(content) if is_jwks else keys_from_pem(content))
        except (OSError, TokenSettingsError) as error:
            raise SettingsError("MCPX_JWT_KEY_FILE", f"{file}: {error}") from error

    def _read(self, keys: list[Key]) -> TokenReader:
        settings = self._settings
        return TokenReader(
            KeyRing(keys),
            settings.issuer,
            settings.audience,
            max_lifetime_s=settings.max_token_lifetime_s,
            profiles=self._profiles,
            participant_typ=settings.jwt_typ,
            admin_typ=settings.admin_jwt_typ,
        )


async def _fetch(url: str) -> list[Key]:
    """Fetch a key set from whoever keeps it, who may be slow, or never stop talking."""
    content = b""
    try:
        async with (
            asyncio.timeout(_FETCH_S),
            httpx.AsyncClient(timeout=_FETCH_S, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url) as response,
        ):
            response.raise_for_status()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _MAX_JWKS_BYTES:
                    raise ValueError("the key set is too large")
    except TimeoutError:
        raise ValueError(f"it did not come in {_FETCH_S:.0f} s") from None
    return keys_from_jwks(content)
