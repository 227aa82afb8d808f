"""A whole node behind the admin routes: real broker, tokens and audit file; only the clock is a test's."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
from starlette.applications import Starlette

from capabilities import KeyRing, TokenReader, issue_token, keys_from_secret
from gateway.audit import AuditLog
from gateway.broker.memory import MemoryBroker
from gateway.broker.state_file import StateFile
from gateway.clock import ManualClock
from gateway.core import Member, Mode, Rate
from gateway.http.admin import admin_routes
from gateway.http.problems import EXCEPTION_HANDLERS
from gateway.metrics import Metrics
from gateway.node import Node
from schemas import CloseCode

ISSUER: Final = "mcpx"
AUDIENCE: Final = "mcpx-gateway"
PROPOSALS: Final = ("mcp/proposal:*", "chat")


@dataclass(slots=True)
class Ear:
    """An outbox that keeps what it is given."""

    heard: list[dict[str, Any]] = field(default_factory=list)
    closed: CloseCode | None = None
    waiting_bytes: int = 0

    def send(self, frames: bytes, envelopes: Sequence[bytes]) -> None:
        assert frames.endswith(envelopes[-1])
        self.heard += [orjson.loads(data) for data in envelopes]

    def send_long(self, head: bytes, envelopes: Sequence[bytes]) -> None:
        self.send(head + envelopes[0], envelopes)

    def close(self, code: CloseCode) -> None:
        self.closed = code

    def is_behind(self) -> bool:
        return False

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of what was heard of one kind."""
        return [envelope["payload"] for envelope in self.heard if envelope["kind"] == kind]


class GatewayUnderTest:
    """One node, one store, one audit log, one HTTP client."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.directory = directory
        self.audit = AuditLog(directory / "audit.jsonl", self.clock.now)
        self.key = keys_from_secret(b"k" * 32)[0]
        self.reader = TokenReader(KeyRing([self.key]), ISSUER, AUDIENCE)
        self.count = itertools.count(1)
        self.broker = MemoryBroker(new_epoch=lambda: "e1", state=StateFile(directory / "rights.json"))
        self.node = Node(
            self.broker,
            id="node-1",
            clock=self.clock,
            new_id=lambda: f"gw-{next(self.count)}",
            metrics=self.metrics,
            rate=Rate(),
        )
        routes = admin_routes(self.broker, lambda: self.reader, self.audit, self.clock, self.metrics)
        self.app = Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)
        transport = httpx.ASGITransport(self.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    def token(
        self,
        subject: str,
        capabilities: Sequence[str],
        *,
        topics: Sequence[str] = ("*",),
        admin: bool = False,
        jti: str | None = None,
        ttl_s: int = 3600,
    ) -> str:
        """Return a token that this gateway believes."""
        return issue_token(
            self.key,
            issuer=ISSUER,
            audience=AUDIENCE,
            subject=subject,
            topics=topics,
            capabilities=capabilities,
            ttl_s=ttl_s,
            now=self.clock.now(),
            jti=jti or f"jti-{next(self.count)}",
            admin=admin,
        )

    def admin(
        self,
        id: str = "ann",
        may_grant: Sequence[str] = ("mcp/*", "chat"),
        *,
        topics: Sequence[str] = ("*",),
        jti: str | None = None,
    ) -> dict[str, str]:
        """Return the headers of an admin's request."""
        token = self.token(id, may_grant, topics=topics, admin=True, jti=jti)
        return {"Authorization": f"Bearer {token}"}

    async def join(
        self, id: str, *capabilities: str, topic: str = "ops", jti: str | None = None
    ) -> tuple[Member, Ear]:
        """Let a participant join as the WebSocket door does."""
        claims = self.reader.read_participant(
            self.token(id, capabilities or PROPOSALS, jti=jti), self.clock.now()
        )
        ear = Ear()
        admission = await self.node.admit(topic, claims)
        return await self.node.join(admission, Mode.ALL, ear), ear

    async def change(
        self,
        id: str,
        body: dict[str, Any],
        *,
        by: dict[str, str] | None = None,
        topic: str | None = None,
        if_match: str | None = None,
    ) -> httpx.Response:
        """`POST /admin/participants/{id}/capabilities`."""
        return await self.http.post(
            f"/admin/participants/{id}/capabilities",
            params={} if topic is None else {"topic": topic},
            json=body,
            headers={**(by or self.admin()), **({} if if_match is None else {"If-Match": if_match})},
        )

    async def get(self, path: str, *, by: dict[str, str] | None = None, **query: str | int) -> httpx.Response:
        """`GET` an admin's view."""
        return await self.http.get(path, params=query, headers=by or self.admin())


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[GatewayUnderTest]:
    """Start a gateway, and stop it."""
    gateway = GatewayUnderTest(directory)
    await gateway.node.start()
    try:
        async with gateway.http:
            yield gateway
    finally:
        await gateway.node.stop()
