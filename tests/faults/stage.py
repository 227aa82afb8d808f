"""Where faults are injected: a real Redis, two real nodes, and a fault proxy on each node's link to it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.faults.fault_proxy import FaultProxy, fault_proxy
from tests.faults.wall_clock import WallClock
from tests.gateway_process import GatewayProcess, running_gateway
from tests.redis_server import RedisServer, running_redis

_HANDED_OUT: Final = ("mcp/*", "chat", "x-fault/*")
"""What the stage's admin may give."""


@dataclass(slots=True)
class Stage:
    """Two nodes and what they stand on. Whoever breaks something mends it: see `mend`."""

    redis: RedisServer
    proxies: tuple[FaultProxy, FaultProxy]
    nodes: tuple[GatewayProcess, GatewayProcess]
    clock: WallClock
    """Of the first node."""
    http: httpx.AsyncClient
    directory: Path
    topics: int = 0

    @property
    def urls(self) -> list[str]:
        """Where the nodes are."""
        return [node.url for node in self.nodes]

    def new_topic(self) -> str:
        """Return a topic that nobody has been in."""
        self.topics += 1
        return f"stage-{self.topics}"

    def new_directory(self, name: str) -> Path:
        """Return an empty directory that is removed with the stage's."""
        return Path(tempfile.mkdtemp(prefix=name, dir=self.directory))

    async def status(self, node: GatewayProcess, path: str = "/readyz") -> int | None:
        """Return what a path answers; `None` when nobody does."""
        try:
            return (await self.http.get(f"{node.http_url}{path}", timeout=10.0)).status_code
        except httpx.HTTPError:
            return None

    async def wait_status(self, node: GatewayProcess, status: int, within_s: float) -> float:
        """Wait until `/readyz` answers so, and return how many seconds that took."""
        began = time.monotonic()
        async with asyncio.timeout(within_s):
            while await self.status(node) != status:  # noqa: ASYNC110 - another process does not announce it
                await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def metric(self, node: GatewayProcess, name: str, **labels: str) -> float:
        """Return one sample of a node's metrics."""
        text = (await self.http.get(f"{node.http_url}/metrics")).text
        shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
        wanted = f"{name}{{{shown}}} " if shown else f"{name} "
        for line in text.splitlines():
            if line.startswith(wanted):
                return float(line.removeprefix(wanted))
        raise LookupError(f"there is no sample {wanted}")

    async def admin(self, node: GatewayProcess, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """Make an admin's call."""
        headers = {"Authorization": f"Bearer {node.admin_token(capabilities=_HANDED_OUT)}"}
        return await self.http.post(f"{node.http_url}{path}", json=body, headers=headers, timeout=20.0)

    async def mend(self) -> None:
        """Have everything there and well, whatever was done to it."""
        for proxy in self.proxies:
            proxy.heal()
        if not self.redis.is_running:
            self.redis.start()
        self.redis.resume()
        for node in self.nodes:
            if not node.is_running:
                await node.start()
            with suppress(ProcessLookupError):
                node.resume()
        for node in self.nodes:
            await self.wait_status(node, 200, 20)


@asynccontextmanager
async def staged(
    directory: Path,
    *,
    durable: bool = True,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """Set the stage; what it writes lies in `directory` (one folder for Redis and one for each node)."""
    async with AsyncExitStack() as stack:
        for name in ("redis", "n0", "n1"):
            (directory / name).mkdir(parents=True)
        options = ("--enable-debug-command", "local", "--loading-process-events-interval-bytes", "1024")
        redis = stack.enter_context(running_redis(directory / "redis", durable=durable, options=options))
        proxies = [await stack.enter_async_context(fault_proxy(redis.port)) for _ in range(2)]
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=20.0))
        settings = {"MCPX_LOG_FORMAT": "json", "MCPX_JOIN_RATE": "1000:10000", **(env or {})}
        clock = WallClock(directory)
        first, second = [
            running_gateway(
                "--redis", proxy.url, env={**settings, **extra}, directory=directory / f"n{number}"
            )
            for number, (proxy, extra) in enumerate(zip(proxies, (clock.env, {}), strict=True))
        ]
        nodes = await asyncio.gather(stack.enter_async_context(first), stack.enter_async_context(second))
        yield Stage(redis, (proxies[0], proxies[1]), (nodes[0], nodes[1]), clock, http, directory)
