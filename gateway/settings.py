"""What an operator can set: read once from `MCPX_*` at start-up, flags before environment before defaults."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Final

import msgspec

from capabilities import Profiles
from gateway.broker.redis_address import Login
from gateway.core import Rate
from gateway.errors import SettingsError
from gateway.secret_files import HOW_TO_MAKE_ONE, check_secret, line_in, make_secret, secrets_in
from gateway.variables import read_settings_file, read_variables
from schemas import McpxError, parse_strictly

SECRET_FILE: Final = "jwt.secret"  # noqa: S105  # a file's name

_PORT: Final = (0, 65_535, "must be 0 to 65535")
_CONNECTIONS: Final = (0, 10**9, "must be 0, which is no bound, or at most 1000000000")
_BYTES: Final = (1024, 1 << 40, "must be at least 1024, and at most a tebibyte")
_BOUNDS: Final[Mapping[str, tuple[int, int, str]]] = {
    "port": _PORT,
    "metrics_port": _PORT,
    "workers": (1, 1024, "must be at least 1, and at most 1024"),
    "max_token_lifetime_s": (1, 315_360_000, "must be at least 1, and at most ten years"),
    "max_token_connections": _CONNECTIONS,
    "max_address_connections": _CONNECTIONS,
    "max_topic_connections": _CONNECTIONS,
    "max_envelope_bytes": _BYTES,
    "outbox_bytes": _BYTES,
    "history_entries": (1, 10**9, "must be at least 1"),
    "history_bytes": _BYTES,
}
"""By field: the least, the most, and what is said of anything else."""


def _default_state_dir() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "mcpx"


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of a gateway, checked."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    workers: int = 1
    redis_url: str | None = field(default=None, repr=False)
    """Without it topics live in this process's memory."""
    redis_prefix: str = "mcpx:"
    redis_username: str | None = None
    redis_password: str | None = field(default=None, repr=False)
    redis_password_file: Path | None = None
    redis_sentinel_username: str | None = None
    """To the Sentinels; Redis itself has the ones above."""
    redis_sentinel_password: str | None = field(default=None, repr=False)
    redis_sentinel_password_file: Path | None = None
    redis_ca_file: Path | None = None
    """PEM, whom to believe over TLS; without it the system's."""
    redis_cert_file: Path | None = None
    """PEM, our own certificate, and below its key if that is apart."""
    redis_key_file: Path | None = None
    history_entries: int = 1000
    """Kept of a topic's order in Redis, for nodes that missed something."""
    history_bytes: int = 8 << 20
    history_seconds: float = 60.0
    bus_secret: str | None = field(default=None, repr=False)
    """What nodes sign for each other over Redis; without it, it comes from the token secret."""
    bus_secret_file: Path | None = None
    state_dir: Path = field(default_factory=_default_state_dir)
    """Holds the key made at the first start, the audit log and, without Redis, promotions and revocations."""
    issuer: str = "mcpx"
    audience: str = "mcpx-gateway"
    jwt_secret: str | None = field(default=None, repr=False)
    """HS256 secret, at least 32 bytes of UTF-8."""
    jwt_secret_file: Path | None = None
    """A secret on each line: the first signs, all are believed."""
    jwt_key_file: Path | None = None
    """A PEM public key, or a JWKS document."""
    jwks_url: str | None = None
    jwt_typ: str = "mcpx+jwt"
    """Header `typ` of participants' tokens; a foreign issuer's may differ."""
    admin_jwt_typ: str = "mcpx-admin+jwt"
    max_token_lifetime_s: int = 86_400
    allowed_origins: tuple[str, ...] = ()
    """Besides the gateway's own; each as scheme://host[:port]."""
    allowed_hosts: tuple[str, ...] = ()
    """Besides loopback and the bound address; a name, without port."""
    rate_limit: Rate = field(default_factory=Rate)
    """Envelopes per second and burst, for a connection and for a participant's connections together."""
    join_rate: Rate = field(default_factory=lambda: Rate(20, 200))
    """Handshakes per second and burst, for a participant on this node."""
    max_token_connections: int = 64
    """Open on this node with one token; 0 is no bound, here and below."""
    max_address_connections: int = 0
    """Open on this node from one address; behind a balancer all have the balancer's."""
    max_topic_connections: int = 10_000
    """In one topic, on all nodes together: each envelope is written to each of them."""
    max_envelope_bytes: int = 1 << 20
    outbox_bytes: int = 8 << 20
    """Bytes that may wait for one connection."""
    outbox_seconds: float = 10.0
    """How long they may wait."""
    deflate: bool = False
    """Compress for clients that offer it (RFC 7692), once for everybody."""
    ping_interval_s: float = 20.0
    ping_timeout_s: float = 20.0
    handshake_timeout_s: float = 10.0
    metrics_port: int | None = None
    """Without it, `/metrics` answers loopback peers on the main port."""
    profiles_file: Path | None = None
    """JSON: profile name -> list of patterns, added to the built-in ones."""
    log_format: str = "auto"
    """`console`, `json`, or `auto`: console on a terminal."""
    log_level: str = "info"
    settings_file: Path | None = None
    """Lines of NAME=VALUE, for what stands neither in a flag nor in the environment."""

    @classmethod
    def read(cls, environ: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Settings:
        """
        Read the settings from the environment and the command line's flags.

        Raises:
            SettingsError: a name is unknown, or a value is wrong; it says which and why.
        """
        flags = {name: value for name, value in (flags or {}).items() if value is not None}
        if _has_password(flags.get("redis_url", "")):
            raise SettingsError(
                "--redis",
                "shows its password to everybody here; set MCPX_REDIS_URL or MCPX_REDIS_PASSWORD_FILE",
            )
        given = read_variables(environ) | flags
        file = given.get("settings_file")
        if file is not None:
            given = read_variables(read_settings_file(file), str(file)) | given
        settings = cls(**given)
        settings.check()
        return settings

    def taking(self, new: Settings, names: Collection[str]) -> Settings:
        """
        Return these settings with some, by their fields' names, as they are in `new`.

        Raises:
            SettingsError: they do not go together.
        """
        taken = replace(self, **{name: getattr(new, name) for name in names})
        taken.check()
        return taken.with_secret()

    def check(self) -> None:
        """
        See that the values are such as there may be, and go together.

        Raises:
            SettingsError: it says which do not, and why.
        """
        if self.workers > 1 and self.redis_url is None:
            raise SettingsError("--workers", "more than one needs --redis: workers share topics through it")
        if self.workers > 1 and self.metrics_port is not None:
            raise SettingsError(
                "--metrics-port", "shows one process; with several workers scrape each on loopback"
            )
        for name, (least, most, why) in _BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise SettingsError(f"MCPX_{name.upper()}", why)
        if self.jwt_secret is not None:
            check_secret("MCPX_JWT_SECRET", self.jwt_secret)
        if self.jwt_typ == self.admin_jwt_typ:
            raise SettingsError("MCPX_JWT_TYP", "must not be what MCPX_ADMIN_JWT_TYP is")
        for alternatives in (
            ("jwt_secret", "jwt_secret_file", "jwt_key_file", "jwks_url"),
            ("bus_secret", "bus_secret_file"),
            ("redis_password", "redis_password_file"),
            ("redis_sentinel_password", "redis_sentinel_password_file"),
        ):
            if sum(getattr(self, name) is not None for name in alternatives) > 1:
                names = [_variable(name) for name in alternatives]
                raise SettingsError(names[0], f"give one of {', '.join(names)}")
        if self.bus_secret is not None:
            check_secret("MCPX_BUS_SECRET", self.bus_secret)
        is_signed_elsewhere = self.jwt_key_file is not None or self.jwks_url is not None
        has_bus_secret = self.bus_secret is not None or self.bus_secret_file is not None
        if self.redis_url is not None and is_signed_elsewhere and not has_bus_secret:
            raise SettingsError(
                "MCPX_BUS_SECRET",
                "must be set: nodes sign what they tell each other over Redis, and without a token secret "
                f"there is nothing to sign with; {HOW_TO_MAKE_ONE}",
            )
        for origin in self.allowed_origins:
            scheme, _, rest = origin.partition("://")
            if "*" in origin or scheme not in ("http", "https") or not rest or "/" in rest:
                raise SettingsError(
                    "MCPX_ALLOWED_ORIGINS", f"{origin!r} is no origin like https://chat.example.org"
                )
        for host in self.allowed_hosts:
            if "*" in host or "/" in host or (":" in host and not _is_ipv6(host)):
                raise SettingsError("MCPX_ALLOWED_HOSTS", f"{host!r} is no host name (without port)")

    def with_secret(self) -> Settings:
        """
        Return settings that name a key: the one configured, or the state directory's.

        The first start makes that one, mode 0600.

        Raises:
            SettingsError: the state directory or its key cannot be used.
        """
        if self.jwt_secret or self.jwt_secret_file or self.jwt_key_file or self.jwks_url:
            return self
        path = self.ready_state_dir() / SECRET_FILE
        if not path.exists():
            make_secret(path)
        try:
            if path.stat().st_mode & 0o077:
                raise SettingsError(str(path), f"others may read it; run: chmod 600 {path}")
        except OSError as error:
            raise SettingsError(str(path), f"cannot be read ({error.strerror})") from error
        named = replace(self, jwt_secret_file=path)
        named.token_secrets()
        return named

    def token_secrets(self) -> tuple[str, ...]:
        """
        Return the secrets that tokens may be signed with, the one in force first; none with other keys.

        Raises:
            SettingsError: their file cannot be used.
        """
        if self.jwt_secret is not None:
            return (self.jwt_secret,)
        return secrets_in(self.jwt_secret_file) if self.jwt_secret_file is not None else ()

    def bus_keys(self) -> tuple[bytes, ...]:
        """
        Return the keys with which nodes sign for each other: the oldest first, which signs.

        While secrets are rotated every node believes all of them, and signs
        with the one that those believe who have not heard of the new one.

        Raises:
            SettingsError: the file with the secrets cannot be used.
        """
        if self.bus_secret is not None:
            given: tuple[str, ...] = (self.bus_secret,)
        elif self.bus_secret_file is not None:
            given = secrets_in(self.bus_secret_file)
        else:
            given = self.token_secrets()
        # Another key is made of a token secret, so that neither passes for the other.
        return tuple(sha256(b"mcpx bus " + secret.encode()).digest() for secret in reversed(given))

    def redis_login(self) -> Login:
        """
        Return who we are to Redis.

        Raises:
            SettingsError: a file with a password cannot be read.
        """
        return Login(
            self.redis_username,
            self.redis_password or line_in(self.redis_password_file),
            self.redis_sentinel_username,
            self.redis_sentinel_password or line_in(self.redis_sentinel_password_file),
            self.redis_ca_file,
            self.redis_cert_file,
            self.redis_key_file,
        )

    def ready_state_dir(self) -> Path:
        """
        Return the state directory, made if it was not there.

        Raises:
            SettingsError: it cannot be made.
        """
        try:
            self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                "MCPX_STATE_DIR", f"{self.state_dir} cannot be made ({error.strerror})"
            ) from error
        return self.state_dir

    def profiles(self) -> Profiles:
        """
        Return the named profiles: the built-in ones and the operator's.

        Raises:
            SettingsError: the file is unreadable, or a pattern in it is refused.
        """
        if self.profiles_file is None:
            return Profiles({})
        try:
            content = parse_strictly(self.profiles_file.read_bytes())
            return Profiles(msgspec.convert(content, dict[str, list[str]]))
        except (OSError, McpxError, msgspec.ValidationError) as error:
            raise SettingsError("MCPX_PROFILES_FILE", f"{self.profiles_file}: {error}") from error

    def environment(self, names: Collection[str] | None = None) -> dict[str, str]:
        """Return these settings, or some of them by their fields' names, as `MCPX_*` variables."""
        variables: dict[str, str] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None or value == () or (names is not None and each.name not in names):
                continue
            if isinstance(value, tuple):
                value = ",".join(value)
            elif isinstance(value, bool):
                value = "on" if value else "off"
            elif isinstance(value, Rate):
                value = f"{value.per_second}:{value.burst}"
            variables[_variable(each.name)] = str(value)
        return variables


def _variable(name: str) -> str:
    return f"MCPX_{name.upper()}"


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _has_password(url: str) -> bool:
    login, at, _ = url.partition("://")[2].rpartition("@")
    return bool(at) and ":" in login
