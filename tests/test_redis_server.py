"""The Redis that the tests rest on does what its fixture says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis

from tests.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.redis


def test_it_answers_as_soon_as_it_is_there(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.ping()


def test_a_durable_one_comes_back_from_a_kill_with_all_it_said_yes_to(tmp_path: Path) -> None:
    with running_redis(tmp_path, durable=True) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
        server.kill()
        server.start()

        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"yes"


def test_it_is_gone_when_the_block_ends(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        pid = server.pid

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="no-such-option"),
        running_redis(tmp_path, options=("--no-such-option", "1")),
    ):
        pass
