"""Which broker the settings ask for."""

from __future__ import annotations

import secrets

from gateway.broker.memory import MemoryBroker
from gateway.broker.protocol import Broker
from gateway.broker.redis_broker import RedisBroker
from gateway.broker.redis_limits import RedisBounds
from gateway.broker.state_file import StateFile
from gateway.clock import Clock
from gateway.errors import SettingsError
from gateway.settings import Settings


def broker_for(settings: Settings, clock: Clock) -> Broker:
    """
    Return the broker that the settings ask for; nodes over Redis always sign what they say.

    Raises:
        SettingsError: what it needs is missing or wrong.
    """
    if settings.redis_url is None:
        state = StateFile(settings.ready_state_dir() / "rights.json")
        return MemoryBroker(new_epoch=lambda: secrets.token_hex(4), state=state)
    keys = settings.bus_keys()
    try:
        broker = RedisBroker(
            settings.redis_url,
            prefix=settings.redis_prefix,
            clock=clock,
            secret=keys[0],
            login=settings.redis_login(),
            bounds=RedisBounds(
                entries=settings.history_entries, bytes=settings.history_bytes, age=settings.history_seconds
            ),
        )
    except ValueError as error:
        raise SettingsError("MCPX_REDIS_URL", str(error)) from None
    broker.change_secrets(keys)
    return broker
