"""Taking settings anew while everybody stays connected: on SIGHUP, all of them or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.broker.protocol import Broker
from gateway.broker.redis_broker import RedisBroker
from gateway.core import Rate
from gateway.errors import SettingsError
from gateway.http.guard import Guard
from gateway.http.turnstile import DoorLimits
from gateway.http.websocket import WebSocketDoor
from gateway.keys import Keys
from gateway.node import Node
from gateway.settings import Settings

log = structlog.get_logger("gateway")

TAKEN_ANEW: Final = frozenset(
    {
        *("jwt_secret_file", "jwt_key_file", "bus_secret_file", "profiles_file"),
        *("issuer", "audience", "jwt_typ", "admin_jwt_typ", "max_token_lifetime_s"),
        *("allowed_origins", "allowed_hosts", "rate_limit", "join_rate"),
        *("max_token_connections", "max_address_connections", "max_topic_connections"),
    }
)
"""Fields that count at once; a change of another one waits for the next start."""

_READ_ANEW: Final = ("jwt_secret_file", "jwt_key_file", "bus_secret_file", "profiles_file")


class Reloading:
    """What of a running gateway its settings can still change."""

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        *,
        keys: Keys,
        guard: Guard,
        door: WebSocketDoor,
        node: Node,
    ) -> None:
        """`read` reads the settings as they are now."""
        self._settings, self._read = settings, read
        self._contents = _digests(settings)
        self._keys, self._guard, self._door, self._node = keys, guard, door, node

    async def reload(self) -> None:
        """Take what has changed. When anything is wrong nothing is taken, and one line says what."""
        try:
            found = self._read()
            new = self._settings.taking(found, TAKEN_ANEW)
            reader = await self._keys.read(new)
            bus_keys = new.bus_keys() if new.redis_url is not None else ()
        except SettingsError as error:
            log.error("settings.not_reloaded", why=str(error), next="what held before holds")  # noqa: TRY400
            return
        contents = _digests(new)
        changed = {
            name
            for name in TAKEN_ANEW
            if getattr(new, name) != getattr(self._settings, name)
            or contents.get(name) != self._contents.get(name)
        }
        waiting = [
            each.name
            for each in fields(new)
            if each.name not in TAKEN_ANEW and getattr(found, each.name) != getattr(new, each.name)
        ]
        self._settings, self._contents = new, contents
        self._keys.adopt(new, reader)
        self._guard.adopt(Guard.of(new.host, new.allowed_hosts, new.allowed_origins))
        self._door.change_limits(
            DoorLimits(new.max_token_connections, new.max_address_connections, new.join_rate)
        )
        self._node.change_limits(new.rate_limit, new.max_topic_connections)
        _change_secrets(self._node.broker, bus_keys)
        log.info(
            "settings.reloaded",
            changed={name: _shown(getattr(new, name)) for name in sorted(changed)},
            waiting_for_restart=sorted(waiting),
            token_secrets=len(new.token_secrets()),
        )


def _change_secrets(broker: Broker, keys: tuple[bytes, ...]) -> None:
    if isinstance(broker, RedisBroker):
        broker.change_secrets(keys)


def _digests(settings: Settings) -> dict[str, bytes | None]:
    """Say of the files that are read anew what they held, so that a change shows."""
    named = {name: getattr(settings, name) for name in _READ_ANEW}
    return {name: _digest(path) if path is not None else None for name, path in named.items()}


def _digest(path: Path) -> bytes | None:
    try:
        return sha256(path.read_bytes()).digest()
    except OSError:
        return None


def _shown(value: Any) -> str:
    """Return a field that is taken anew: none of them holds a secret, and files are only named."""
    match value:
        case tuple():
            return ", ".join(value)
        case Rate():
            return f"{value.per_second:g}:{value.burst:g}"
        case _:
            return str(value)
