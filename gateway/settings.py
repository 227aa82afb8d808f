"""What an operator can set: read once from `MCPX_*` at start-up, flags before environment before defaults."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Final

import msgspec

from capabilities import Profiles
from gateway.core import Rate
from gateway.errors import SettingsError
from schemas import McpxError, parse_strictly

MIN_SECRET_BYTES: Final = 32
SECRET_FILE: Final = "jwt.secret"  # noqa: S105  # a file's name

_NOT_OURS: Final = frozenset({"MCPX_TOKEN", "MCPX_ADMIN_TOKEN", "MCPX_URL", "MCPX_TOPIC"})
"""Names that the command line reads; the gateway lets them pass."""

_TEST_PREFIX: Final = "MCPX_TEST_"

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
    redis_url: str | None = None
    """Without it topics live in this process's memory."""
    redis_prefix: str = "mcpx:"
    state_dir: Path = field(default_factory=_default_state_dir)
    """Holds the key made at the first start, the audit log and, without Redis, promotions and revocations."""
    issuer: str = "mcpx"
    audience: str = "mcpx-gateway"
    jwt_secret: str | None = field(default=None, repr=False)
    """HS256 secret, at least 32 bytes of UTF-8."""
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

    @classmethod
    def read(cls, environ: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Settings:
        """
        Read the settings from the environment and the command line's flags.

        Raises:
            SettingsError: a name is unknown, or a value is wrong; it says which and why.
        """
        given: dict[str, Any] = {}
        for variable, value in environ.items():
            if not variable.startswith("MCPX_") or variable in _NOT_OURS or variable.startswith(_TEST_PREFIX):
                continue
            reader = _READERS.get(variable)
            if reader is None:
                raise SettingsError(
                    variable, "is no setting of this gateway; see docs/operations.md for their names"
                )
            if value != "":
                given[variable.removeprefix("MCPX_").lower()] = reader(variable, value)
        given.update({name: value for name, value in (flags or {}).items() if value is not None})
        settings = cls(**given)
        settings._check()
        return settings

    def _check(self) -> None:
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
            _check_secret("MCPX_JWT_SECRET", self.jwt_secret)
        if self.jwt_typ == self.admin_jwt_typ:
            raise SettingsError("MCPX_JWT_TYP", "must not be what MCPX_ADMIN_JWT_TYP is")
        given = [key for key in (self.jwt_secret, self.jwt_key_file, self.jwks_url) if key]
        if len(given) > 1:
            raise SettingsError(
                "MCPX_JWT_SECRET", "give one of MCPX_JWT_SECRET, MCPX_JWT_KEY_FILE, MCPX_JWKS_URL"
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
        Return settings that hold a key: the one configured, or the state directory's.

        The first start makes that one, mode 0600.

        Raises:
            SettingsError: the state directory or its key cannot be used.
        """
        if self.jwt_secret or self.jwt_key_file or self.jwks_url:
            return self
        path = self.ready_state_dir() / SECRET_FILE
        if not path.exists():
            _make_secret(path)
        try:
            if path.stat().st_mode & 0o077:
                raise SettingsError(str(path), f"others may read it; run: chmod 600 {path}")
            secret = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(str(path), f"cannot be read ({error.strerror})") from error
        except UnicodeDecodeError:
            raise SettingsError(
                str(path), "is no text in UTF-8; move it away, and the next start makes another"
            ) from None
        _check_secret(str(path), secret)
        return replace(self, jwt_secret=secret)

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

    def environment(self) -> dict[str, str]:
        """Return these settings as `MCPX_*` variables, for worker processes."""
        variables: dict[str, str] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None or value == ():
                continue
            if isinstance(value, tuple):
                value = ",".join(value)
            elif isinstance(value, bool):
                value = "on" if value else "off"
            elif isinstance(value, Rate):
                value = f"{value.per_second}:{value.burst}"
            variables[f"MCPX_{each.name.upper()}"] = str(value)
        return variables


def _make_secret(path: Path) -> None:
    """Make the key file whole or not at all: another process may start at the same moment."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        aside.unlink()
    except OSError as error:
        raise SettingsError(str(path), f"cannot be made ({error.strerror})") from error


def _check_secret(where: str, secret: str) -> None:
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(
            where,
            f"an HS256 secret has at least {MIN_SECRET_BYTES} bytes; make one: "
            "python -c 'import secrets; print(secrets.token_hex(32))'",
        )


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _text(variable: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SettingsError(variable, "is no text in UTF-8") from None
    return value


def _path(_: str, value: str) -> Path:
    return Path(value).expanduser()


def _names(_: str, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _whole(variable: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise SettingsError(variable, f"{value!r} is no whole number") from None


def _number(variable: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e12:
        raise SettingsError(variable, f"{value!r} is no positive number")
    return number


def _rate(variable: str, value: str) -> Rate:
    per_second, _, burst = value.partition(":")
    rate = Rate(_number(variable, per_second), _number(variable, burst or per_second))
    if rate.burst < 1:
        raise SettingsError(variable, "a burst below 1 would let nothing through")
    return rate


def _switch(variable: str, value: str) -> bool:
    if value not in ("on", "off"):
        raise SettingsError(variable, f"{value!r} is neither on nor off")
    return value == "on"


def _one_of(*choices: str) -> Callable[[str, str], str]:
    def read(variable: str, value: str) -> str:
        if value not in choices:
            raise SettingsError(variable, f"{value!r} is none of {', '.join(choices)}")
        return value

    return read


_READERS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "MCPX_HOST": _text,
    "MCPX_PORT": _whole,
    "MCPX_WORKERS": _whole,
    "MCPX_REDIS_URL": _text,
    "MCPX_REDIS_PREFIX": _text,
    "MCPX_STATE_DIR": _path,
    "MCPX_ISSUER": _text,
    "MCPX_AUDIENCE": _text,
    "MCPX_JWT_SECRET": _text,
    "MCPX_JWT_KEY_FILE": _path,
    "MCPX_JWKS_URL": _text,
    "MCPX_JWT_TYP": _text,
    "MCPX_ADMIN_JWT_TYP": _text,
    "MCPX_MAX_TOKEN_LIFETIME_S": _whole,
    "MCPX_ALLOWED_ORIGINS": _names,
    "MCPX_ALLOWED_HOSTS": _names,
    "MCPX_RATE_LIMIT": _rate,
    "MCPX_JOIN_RATE": _rate,
    "MCPX_MAX_TOKEN_CONNECTIONS": _whole,
    "MCPX_MAX_ADDRESS_CONNECTIONS": _whole,
    "MCPX_MAX_TOPIC_CONNECTIONS": _whole,
    "MCPX_MAX_ENVELOPE_BYTES": _whole,
    "MCPX_OUTBOX_BYTES": _whole,
    "MCPX_OUTBOX_SECONDS": _number,
    "MCPX_DEFLATE": _switch,
    "MCPX_PING_INTERVAL_S": _number,
    "MCPX_PING_TIMEOUT_S": _number,
    "MCPX_HANDSHAKE_TIMEOUT_S": _number,
    "MCPX_METRICS_PORT": _whole,
    "MCPX_PROFILES_FILE": _path,
    "MCPX_LOG_FORMAT": _one_of("auto", "console", "json"),
    "MCPX_LOG_LEVEL": _one_of("debug", "info", "warning", "error"),
}
"""One reader per setting: `MCPX_` and the field's name."""
