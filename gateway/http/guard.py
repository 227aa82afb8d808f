"""Who may knock: the Host and Origin of a request (THREATS: cross-site WebSocket, DNS rebinding)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.problems import Problem, ProblemCode

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_NAME_AND_PORT = re.compile(r"(.*):(\d{1,5})", re.ASCII)
_DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(slots=True)
class Guard:
    """The hosts this gateway answers as, and the pages that may use it; settings may change both."""

    hosts: frozenset[str]
    """Names without port, in lower case."""
    origins: frozenset[tuple[str, str, int]]
    """Scheme, host and port of pages from elsewhere."""

    @classmethod
    def of(cls, bound: str, hosts: Iterable[str], origins: Iterable[str]) -> Guard:
        """Answer as loopback, as the bound address, and as the configured names."""
        own = {bound} if bound not in ("0.0.0.0", "::", "") else set()  # noqa: S104 - compared, not bound
        names = _LOOPBACK | {_as_in_url(name) for name in (*own, *hosts)}
        known = {origin for text in origins if (origin := parse_origin(text)) is not None}
        return cls(frozenset(names), frozenset(known))

    def adopt(self, other: Guard) -> None:
        """Guard as another one would from now on."""
        self.hosts, self.origins = other.hosts, other.origins

    def knows_host(self, header: str | None) -> bool:
        """Whether the `Host` header names this gateway; another name is how DNS rebinding comes in."""
        return header is not None and _split_host(header)[0] in self.hosts

    def knows_host_or_address(self, header: str | None) -> bool:
        """
        Whether the `Host` header names this gateway or any IP address.

        Only names can be rebound. Scrapers and probes find nodes by addresses
        that nobody knows beforehand.
        """
        return header is not None and (self.knows_host(header) or _is_address(_split_host(header)[0]))

    def lets_in(self, origin: str | None, host: str, scheme: str) -> bool:
        """
        Whether a request with this `Origin` may go on.

        None is no browser, and needs its bearer token anyway. A page's origin
        must be the gateway's own (as the request names it) or configured.
        """
        if origin is None:
            return True
        parsed = parse_origin(origin)
        if parsed is None:
            return False
        name, port = _split_host(host)
        own_port = port or _DEFAULT_PORTS[scheme]
        secure = scheme in ("https", "wss")
        return parsed in self.origins or parsed == ("https" if secure else "http", name, own_port)


def parse_origin(text: str) -> tuple[str, str, int] | None:
    """Split `scheme://host[:port]`; `None` for anything else, `null` included."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    is_bare = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_bare:
        return None
    return parts.scheme, _as_in_url(parts.hostname), port or _DEFAULT_PORTS[parts.scheme]


def _as_in_url(host: str) -> str:
    """Return a host's name as URLs and headers have it: an IPv6 address stands in brackets."""
    name = host.lower()
    return f"[{name}]" if ":" in name and not name.startswith("[") else name


def _is_address(host: str) -> bool:
    try:
        IPv6Address(host[1:-1]) if host.startswith("[") and host.endswith("]") else IPv4Address(host)
    except ValueError:
        return False
    return True


def _split_host(header: str) -> tuple[str, int | None]:
    found = _NAME_AND_PORT.fullmatch(header)
    return (found[1].lower(), int(found[2])) if found else (header.lower(), None)


def _host_of(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"host":
            return str(value, "latin-1")
    return None


class HostCheck:
    """ASGI middleware: what is asked under another host name is answered 421 and goes no further."""

    def __init__(self, app: ASGIApp, knows: Callable[[str | None], bool]) -> None:
        """`knows` says of a `Host` header whether it is answered: a `Guard` does."""
        self._app, self._knows = app, knows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not self._knows(_host_of(scope)):
            problem = Problem(
                ProblemCode.HOST_REFUSED, "Add this host name to MCPX_ALLOWED_HOSTS if it is yours"
            )
            await refuse(problem, scope, receive, send)
            return
        await self._app(scope, receive, send)


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an HTTP request, or a WebSocket handshake, with a problem."""
    response = problem.to_response()
    if scope["type"] == "websocket":
        message = await receive()
        assert message["type"] == "websocket.connect"
    await response(scope, receive, send)
