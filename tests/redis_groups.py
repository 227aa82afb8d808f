"""Several real redis-servers that belong together: a master with a replica and Sentinels, or a cluster."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis

from tests.redis_server import RedisServer, free_port, running_redis

WITHIN_S: Final = 60.0
DOWN_AFTER_MS: Final = 600
"""Silent for so long, a server counts as down: short, for tests wait for it."""


def client_of(port: int) -> Any:
    """A client, whose typing knows too little to be worth it."""
    return redis.Redis(host="127.0.0.1", port=port, socket_timeout=30)


def wait_until(holds: Any, what: str) -> None:
    """Ask again and again until other processes have agreed among themselves."""
    end = time.monotonic() + WITHIN_S
    while not _does(holds):
        assert time.monotonic() < end, f"not in {WITHIN_S} s: {what}"
        time.sleep(0.05)


def _does(holds: Any) -> bool:
    try:
        return bool(holds())
    except redis.RedisError:
        return False


@dataclass(slots=True)
class Sentinels:
    """A master, its replica, and who watches them."""

    url: str
    master: RedisServer
    replica: RedisServer
    ports: list[int]

    def master_port(self) -> int:
        """Where the first Sentinel says that the master is."""
        return int(client_of(self.ports[0]).sentinel_get_master_addr_by_name("ours")[1])


@contextmanager
def running_sentinels(directory: Path, *, count: int = 3) -> Iterator[Sentinels]:
    """Run a durable master, a replica that is in step, and Sentinels that know both."""
    with ExitStack() as stack:
        folders = [directory / name for name in ("one", "two", *(f"s{number}" for number in range(count)))]
        for folder in folders:
            folder.mkdir()
        quick = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        master = stack.enter_context(running_redis(folders[0], durable=True, options=quick))
        follow = ("--replicaof", "127.0.0.1", str(master.port))
        replica = stack.enter_context(running_redis(folders[1], durable=True, options=(*quick, *follow)))
        wait_until(
            lambda: client_of(replica.port).info("replication")["master_link_status"] == "up",
            "replica in step",
        )
        ports = [free_port() for _ in range(count)]
        for port, folder in zip(ports, folders[2:], strict=True):
            _start_sentinel(stack, port, folder, master.port, quorum=count // 2 + 1)
        for port in ports:
            wait_until(lambda port=port: _knows_all(port, count), "Sentinels know each other")
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        yield Sentinels(f"redis+sentinel://{hosts}/ours", master, replica, ports)


def _knows_all(port: int, count: int) -> bool:
    seen = client_of(port).sentinel_master("ours")
    return bool(seen["num-other-sentinels"] == count - 1 and seen["num-slaves"] == 1)


def _start_sentinel(stack: ExitStack, port: int, folder: Path, master: int, *, quorum: int) -> None:
    configuration = folder / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor ours 127.0.0.1 {master} {quorum}\n"
        f"sentinel down-after-milliseconds ours {DOWN_AFTER_MS}\nsentinel failover-timeout ours 2000\n"
    )
    process = subprocess.Popen(
        ["redis-server", str(configuration), "--sentinel"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)


@dataclass(slots=True)
class RedisCluster:
    """Masters, and a replica of the first one if asked for."""

    url: str
    servers: list[RedisServer]
    replicas: list[RedisServer]

    def cli(self, *arguments: str) -> None:
        """Run `redis-cli --cluster …`."""
        subprocess.run(
            ["redis-cli", "--cluster", *arguments], check=True, stdout=subprocess.DEVNULL, timeout=60
        )

    def id_of(self, server: RedisServer) -> str:
        """How the cluster names a server."""
        return str(client_of(server.port).execute_command("CLUSTER", "MYID").decode())

    def owner_of(self, slot: int) -> RedisServer:
        """The server that has a slot."""
        for first, last, master, *_ in client_of(self.servers[0].port).execute_command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(server for server in (*self.servers, *self.replicas) if server.port == master[1])
        raise AssertionError("every slot has a server")

    def move(self, slot: int, target: RedisServer) -> None:
        """Move a slot and what is in it to another server, as `redis-cli --cluster reshard` does."""
        self.begin_move(slot, target)()

    def begin_move(self, slot: int, target: RedisServer) -> Callable[[], None]:
        """Move what is in a slot and not the slot: who asks for a key there is sent on. Return the end."""
        source = self.owner_of(slot)
        there, here = client_of(target.port), client_of(source.port)
        there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))
        while keys := here.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            here.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

        def end() -> None:
            for client in (there, here):
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(target))

        return end


@contextmanager
def running_cluster(directory: Path, *, replicas: int = 0) -> Iterator[RedisCluster]:
    """Run three masters, and so many replicas of the first of them."""
    with ExitStack() as stack:
        servers: list[RedisServer] = []
        for number in range(3 + replicas):
            folder = directory / f"c{number}"
            folder.mkdir()
            options = (
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1500",
                "--cluster-port",
                str(free_port()),
            )
            quick = ("--repl-diskless-sync-delay", "0")
            servers.append(
                stack.enter_context(running_redis(folder, durable=True, options=(*options, *quick)))
            )
        masters, others = servers[:3], servers[3:]
        cluster = RedisCluster(
            "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in masters), masters, others
        )
        cluster.cli("create", *(f"127.0.0.1:{server.port}" for server in masters), "--cluster-yes")
        for server in masters:
            wait_until(lambda server=server: _is_whole(server), "all agree on the slots")
        for server in others:
            cluster.cli(
                *("add-node", f"127.0.0.1:{server.port}", f"127.0.0.1:{masters[0].port}"),
                *("--cluster-slave", "--cluster-master-id", cluster.id_of(masters[0])),
            )
            wait_until(lambda server=server: _follows(server), "the replica in step")
        yield cluster


def _is_whole(server: RedisServer) -> bool:
    client = client_of(server.port)
    return bool(
        b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO")
        and len(client.execute_command("CLUSTER", "SLOTS")) == 3
    )


def _follows(server: RedisServer) -> bool:
    return bool(client_of(server.port).info("replication").get("master_link_status") == "up")
