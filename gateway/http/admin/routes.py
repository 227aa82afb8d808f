"""The admin door: every route asks who is there before it looks at anything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.audit import AuditLog
from gateway.broker.protocol import Broker
from gateway.clock import Clock
from gateway.http.admin import operations
from gateway.http.admin.access import AdminAccess
from gateway.http.admin.acts import Acts
from gateway.http.admin.rules import Admin
from gateway.http.admin.watching import Views
from gateway.http.problems import Problem
from gateway.metrics import Metrics
from gateway.readers import Reader
from schemas import documents

log = structlog.get_logger("gateway.admin")

Handler = Callable[[Admin, Request], Awaitable[Response]]

ADMIN_OPERATIONS: Final = (
    operations.CHANGE_CAPABILITIES,
    operations.DISCONNECT,
    operations.REVOKE,
    operations.LIST_REVOCATIONS,
    operations.LIST_PARTICIPANTS,
    operations.SHOW_PARTICIPANT,
    operations.LIST_TOPICS,
    operations.EXPLAIN,
    operations.READ_AUDIT,
)


def admin_routes(
    broker: Broker,
    tokens: Callable[[], Reader],
    audit: AuditLog,
    clock: Clock,
    metrics: Metrics,
) -> list[Route]:
    """Return the routes under `/admin`; `tokens` gives the reader with the keys that hold now."""
    access = AdminAccess(broker, tokens, clock)
    acts = Acts(broker, audit, clock, metrics, lambda: tokens().max_lifetime_s)
    views = Views(broker, audit, clock)
    handlers: Mapping[str, Handler] = {
        operations.CHANGE_CAPABILITIES.id: acts.change_capabilities,
        operations.DISCONNECT.id: acts.disconnect,
        operations.REVOKE.id: acts.revoke,
        operations.LIST_REVOCATIONS.id: views.revocations,
        operations.LIST_PARTICIPANTS.id: views.participants,
        operations.SHOW_PARTICIPANT.id: views.participant,
        operations.LIST_TOPICS.id: views.topics,
        operations.EXPLAIN.id: views.explain,
        operations.READ_AUDIT.id: views.audit,
    }

    def route(operation: documents.Operation) -> Route:
        handler = handlers[operation.id]

        async def endpoint(request: Request) -> Response:
            try:
                admin = await access.admit(request)
            except Problem as problem:
                reason = str(problem.facts.get("reason", problem.code))
                metrics.handshake_refused(reason)
                log.warning("admin.refused", reason=reason, path=operation.path)
                raise
            return await handler(admin, request)

        return Route(operation.path, endpoint, methods=[operation.method], name=operation.id)

    return [route(operation) for operation in ADMIN_OPERATIONS]
