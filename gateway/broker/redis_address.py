"""Where Redis is and how to be let in: one server, Sentinels that know the master, or a cluster."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_URL: Final = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<login>[^@/]*)@)?(?P<hosts>[^/?]*)(?P<path>/[^?]*)?", re.ASCII
)
_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+)(?::(?P<port>\d{1,5}))?", re.ASCII)
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_MAX_PORT: Final = 65535


class Form(StrEnum):
    """How the servers behind an address are organised."""

    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


_SCHEMES: Final = {
    "redis": Form.SERVER,
    "rediss": Form.SERVER,
    "unix": Form.SERVER,
    "redis+sentinel": Form.SENTINEL,
    "rediss+sentinel": Form.SENTINEL,
    "redis+cluster": Form.CLUSTER,
    "rediss+cluster": Form.CLUSTER,
}


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to Redis, and whom we believe: what does not belong into an address."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """PEM certificates of who may vouch for the servers; without it the system's."""
    cert_file: Path | None = None
    """Our own certificate, PEM."""
    key_file: Path | None = None
    """Its key, if that is not in the same file."""


@dataclass(frozen=True, slots=True)
class Address:
    """One server, and how to be let in there."""

    host: str = "127.0.0.1"
    port: int = _PORT
    path: str | None = None
    """Of a Unix socket."""
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0

    def at(self, host: str, port: int) -> Address:
        """Another server that lets us in the same way."""
        return replace(self, host=host, port=port)

    def __str__(self) -> str:
        """Without the password: this is what logs show."""
        return self.path or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where topics and rights are kept."""

    form: Form
    servers: tuple[Address, ...]
    """The server; or the Sentinels; or some of the cluster's nodes."""
    redis: Address
    """How any server that holds data lets us in; where it is, is asked, unless it is the only one."""
    master: str = ""
    """By which name the Sentinels know it."""

    @classmethod
    def parse(cls, url: str, login: Login | None = None) -> Place:
        """
        Read `redis://`, `redis+sentinel://HOST,HOST/MASTER`, `redis+cluster://HOST,HOST`, or `unix://PATH`.

        `rediss…` is the same over TLS. Each may have `USER:PASSWORD@` before the
        hosts and, but for a cluster, a database's number at the end.

        Raises:
            ValueError: it is none of these, or a certificate cannot be used; the
                text names neither user nor password.
        """
        login = login or Login()
        found = _URL.fullmatch(url)
        form = _SCHEMES.get(found["scheme"]) if found is not None else None
        if found is None or form is None:
            raise ValueError(
                f"is no address of Redis; begin with one of {', '.join(_SCHEMES)}, and give no options"
            )
        redis = _let_in(
            found["login"], login, _context(login) if found["scheme"].startswith("rediss") else None
        )
        path = unquote(found["path"] or "").strip("/")
        if found["scheme"] == "unix":
            redis = replace(redis, path=unquote(found["path"] or ""))
            return cls(form, (redis,), redis)
        hosts = [
            _host(text, _SENTINEL_PORT if form is Form.SENTINEL else _PORT)
            for text in found["hosts"].split(",")
        ]
        match form:
            case Form.SERVER:
                if len(hosts) > 1:
                    raise ValueError("names several servers: is it redis+cluster:// or redis+sentinel://?")
                redis = replace(redis.at(*hosts[0]), database=_database(path))
                return cls(form, (redis,), redis)
            case Form.SENTINEL:
                master, _, database = path.partition("/")
                if not master:
                    raise ValueError("lacks the master's name: redis+sentinel://HOST,HOST/MASTER")
                redis = replace(redis, database=_database(database))
                sentinel = Address(
                    tls=redis.tls, username=login.sentinel_username, password=login.sentinel_password
                )
                return cls(form, tuple(sentinel.at(*host) for host in hosts), redis, master)
            case Form.CLUSTER:
                if _database(path):
                    raise ValueError("names a database; a cluster has only number 0")
                return cls(form, tuple(redis.at(*host) for host in hosts), redis)

    def __str__(self) -> str:
        """Without the password: this is what logs show."""
        servers = ",".join(map(str, self.servers))
        return {Form.SERVER: servers, Form.CLUSTER: f"the cluster at {servers}"}.get(
            self.form, f"{self.master} of the Sentinels at {servers}"
        )


def _let_in(given: str | None, login: Login, tls: ssl.SSLContext | None) -> Address:
    username, _, password = (given or "").partition(":")
    if password and login.password is not None:
        raise ValueError("holds a password, and MCPX_REDIS_PASSWORD gives another: give one")
    if username and login.username is not None:
        raise ValueError("holds a user, and MCPX_REDIS_USERNAME gives another: give one")
    return Address(
        tls=tls,
        username=unquote(username) or login.username,
        password=unquote(password) or login.password,
    )


def _host(text: str, port: int) -> tuple[str, int]:
    if not text:
        return "127.0.0.1", port
    found = _HOST.fullmatch(text)
    if found is None or int(found["port"] or port) > _MAX_PORT:
        raise ValueError("has a host that is none; write HOST:PORT, an IPv6 address in brackets")
    return found["host"].strip("[]"), int(found["port"] or port)


def _database(text: str) -> int:
    if not (text or "0").isascii() or not (text or "0").isdigit():
        raise ValueError("ends in something that is no database's number")
    return int(text or "0")


def _context(login: Login) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=login.ca_file)
        if login.cert_file is not None:
            context.load_cert_chain(login.cert_file, login.key_file, password=_no_password)
    except (OSError, ValueError) as error:
        named = [str(file) for file in (login.ca_file, login.cert_file, login.key_file) if file is not None]
        raise ValueError(
            f"cannot be reached over TLS: {' or '.join(named)} cannot be used ({error})"
        ) from error
    return context


def _no_password() -> str:
    # Without it OpenSSL would ask at the terminal.
    raise ValueError("the key has a password")
