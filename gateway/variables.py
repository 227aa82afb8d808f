"""What an operator wrote, as values: environment variables, and a file of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.core import Rate
from gateway.errors import SettingsError
from gateway.secret_files import text_in

_NOT_OURS: Final = frozenset({"MCPX_TOKEN", "MCPX_ADMIN_TOKEN", "MCPX_URL", "MCPX_TOPIC"})
"""Names that the command line reads; the gateway lets them pass."""

_OTHERS: Final = ("MCPX_ROUTER_", "MCPX_TEST_")
"""What names of others begin with."""


def read_variables(variables: Mapping[str, str], where: str = "") -> dict[str, Any]:
    """
    Return the settings among variables, by their fields' names; of a wrong one is said `where` it stands.

    Raises:
        SettingsError: a name is unknown, or a value is wrong; it says which and why.
    """
    given: dict[str, Any] = {}
    for variable, value in variables.items():
        if not variable.startswith("MCPX_") or variable in _NOT_OURS or variable.startswith(_OTHERS):
            continue
        reader = _READERS.get(variable)
        if reader is None or (where and variable == "MCPX_SETTINGS_FILE"):
            raise SettingsError(
                f"{where}: {variable}" if where else variable,
                "is no setting of this gateway; see docs/operations.md for their names",
            )
        if value != "":
            given[variable.removeprefix("MCPX_").lower()] = reader(variable, value)
    return given


def read_settings_file(path: Path) -> dict[str, str]:
    """
    Read lines of `NAME=VALUE`; empty ones and those that begin with `#` say nothing.

    Raises:
        SettingsError: the file cannot be read, or a line is none of these.
    """
    variables: dict[str, str] = {}
    for number, line in enumerate(text_in(path).splitlines(), 1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not equals or not name.strip().startswith("MCPX_"):
            # The line itself is not shown: it may be a secret that lost its name.
            raise SettingsError(str(path), f"line {number} is not MCPX_NAME=VALUE")
        if name.strip() in variables:
            raise SettingsError(str(path), f"line {number} gives {name.strip()} again")
        variables[name.strip()] = value.strip()
    return variables


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
    "MCPX_REDIS_USERNAME": _text,
    "MCPX_REDIS_PASSWORD": _text,
    "MCPX_REDIS_PASSWORD_FILE": _path,
    "MCPX_REDIS_SENTINEL_USERNAME": _text,
    "MCPX_REDIS_SENTINEL_PASSWORD": _text,
    "MCPX_REDIS_SENTINEL_PASSWORD_FILE": _path,
    "MCPX_REDIS_CA_FILE": _path,
    "MCPX_REDIS_CERT_FILE": _path,
    "MCPX_REDIS_KEY_FILE": _path,
    "MCPX_HISTORY_ENTRIES": _whole,
    "MCPX_HISTORY_BYTES": _whole,
    "MCPX_HISTORY_SECONDS": _number,
    "MCPX_BUS_SECRET": _text,
    "MCPX_BUS_SECRET_FILE": _path,
    "MCPX_STATE_DIR": _path,
    "MCPX_ISSUER": _text,
    "MCPX_AUDIENCE": _text,
    "MCPX_JWT_SECRET": _text,
    "MCPX_JWT_SECRET_FILE": _path,
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
    "MCPX_SETTINGS_FILE": _path,
}
"""One reader per setting: `MCPX_` and the field's name."""
