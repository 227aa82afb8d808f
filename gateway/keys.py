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
from gateway.readers import AnyOf, Reader
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
        self._reader: Reader | None = None
        self._believed: dict[bytes, ParticipantClaims] = {}
        """By SHA-256 of the token; forgotten when the keys change."""
        if settings.jwks_url is None:
            self._reader = _read_configured(settings)
        else:
            settings.profiles()  # what is wrong with them shows before the start

    @property
    def reader(self) -> Reader:
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
        if url is not None:
            self.adopt(self._settings, await self.read(self._settings))
            self._refreshing = asyncio.create_task(self._refresh(url), name="keys.refresh")

    async def read(self, settings: Settings) -> Reader:
        """
        Return a reader with the keys that some settings name, as they are now.

        Raises:
            SettingsError: they cannot be had.
        """
        url = settings.jwks_url
        if url is None:
            return _read_configured(settings)
        try:
            return _reader_of(settings, await _fetch(url))
        except _NO_KEYS as error:
            raise SettingsError("MCPX_JWKS_URL", f"no keys from {url} ({error})") from error

    def adopt(self, settings: Settings, reader: Reader) -> None:
        """Believe this reader from now on; what an earlier one believed is verified again."""
        self._settings, self._reader = settings, reader
        self._believed.clear()

    async def renew(self, url: str) -> None:
        """
        Fetch the keys that hold from now on.

        Raises:
            httpx.HTTPError, httpx.InvalidURL, TokenSettingsError, ValueError: there
                are none to be had; the earlier ones hold.
        """
        self.adopt(self._settings, _reader_of(self._settings, await _fetch(url)))

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
            except (*_NO_KEYS, SettingsError) as error:
                log.warning("keys.not_refreshed", url=url, why=str(error), next=f"again in {_RETRY_S:.0f} s")
                pause = _RETRY_S


def _read_configured(settings: Settings) -> Reader:
    file = settings.jwt_key_file
    if file is None:
        try:
            secrets = settings.token_secrets()
            readers = [_reader_of(settings, keys_from_secret(secret)) for secret in secrets]
        except TokenSettingsError as error:
            raise SettingsError(str(settings.jwt_secret_file or "MCPX_JWT_SECRET"), str(error)) from error
        assert readers, "with_secret() leaves no settings without a key"
        return readers[0] if len(readers) == 1 else AnyOf(readers)
    try:
        content = file.read_bytes()
        is_jwks = content.lstrip()[:1] == b"{"
        return _reader_of(settings, keys_from_jwks(content) if is_jwks else keys_from_pem(content))
    except (OSError, TokenSettingsError) as error:
        raise SettingsError("MCPX_JWT_KEY_FILE", f"{file}: {error}") from error


def _reader_of(settings: Settings, keys: list[Key]) -> TokenReader:
    return TokenReader(
        KeyRing(keys),
        settings.issuer,
        settings.audience,
        max_lifetime_s=settings.max_token_lifetime_s,
        profiles=settings.profiles(),
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
