"""Where a gateway is: one URL in any of its spellings, and the forms that are needed of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from participants.cli.errors import UsageRefused

DEFAULT_URL: Final = "http://127.0.0.1:8080"

_SCHEMES: Final = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """A gateway's scheme, host and port, and the path that it may stand under."""

    scheme: str
    """`http` or `https`."""
    authority: str
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> GatewayAddress:
        """
        Read `http`, `https`, `ws` or `wss` URLs, with or without `/ws` at the end.

        Raises:
            UsageRefused: it is no such URL, or holds a user name or password.
        """
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise UsageRefused(f"{text!r} is no gateway URL", why=str(error)) from None
        if parts.scheme not in _SCHEMES or not host:
            raise UsageRefused(
                f"{text!r} is no gateway URL",
                why="It begins with http://, https://, ws:// or wss:// and names a host",
                do=f"For instance {DEFAULT_URL}",
            )
        if parts.username is not None or parts.password is not None:
            raise UsageRefused("The gateway URL holds a user name", why="Tokens do not travel in a URL")
        path = parts.path.rstrip("/").removesuffix("/ws")
        return cls(_SCHEMES[parts.scheme], parts.netloc, path)

    @property
    def http_url(self) -> str:
        """For REST and pages."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def websocket_url(self) -> str:
        """For participants; without `/ws`."""
        return f"{'wss' if self.scheme == 'https' else 'ws'}://{self.authority}{self.path}"

    @property
    def is_private(self) -> bool:
        """Whether a token sent there cannot be read on the way: TLS, or this machine itself."""
        return self.scheme == "https" or is_loopback(urlsplit(self.http_url).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def invite_link(address: GatewayAddress, topic: str, token: str) -> str:
    """The chat page's URL; what comes after `#` is never sent to a server."""
    return f"{address.http_url}/#topic={quote(topic, safe='')}&token={token}"
