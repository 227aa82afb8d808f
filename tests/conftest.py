"""What every test may ask for: a real Redis, a prefix of its own in it, and none of the owner's settings."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.descriptors import DescriptorGuard
from tests.redis_server import RedisServer, running_redis

# One profile for everybody: the machine that runs this may be slow, and a slow example is no bug.
# Where CI is set Hypothesis' own profile for that is its parent: the same examples are drawn each time.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """
    A run that is told to end ends like one that is interrupted: its servers are ended with it.

    A shell starts what runs in its background with Ctrl-C ignored, and that is
    inherited; tests that press it need it heard.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.pluginmanager.register(DescriptorGuard())


@pytest.fixture(autouse=True)
def _settings_of_the_machine_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have MCPX_* set for real work; no test reads or changes that."""
    for name in [name for name in os.environ if name.startswith("MCPX_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logs_go_where_they_went() -> Iterator[None]:
    """A command that ran in this process has sent its logs to a stream that is closed by now."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real redis-server shared by the session; who injects faults starts one of their own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_prefix() -> str:
    """A key prefix that no other test has."""
    return f"test-{uuid4().hex[:12]}:"
