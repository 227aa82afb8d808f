"""No request, however strange, makes the HTTP doors fail or answer something undescribed."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.http.documents import document_routes
from gateway.http.ops import ops_routes
from tests.gateway.admin.gateway_under_test import GatewayUnderTest
from tests.requirements import spec

CHECKS: Final = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


class NobodyHears:
    """A node without connections."""

    def hear(self, *_: object) -> None: ...
    def stale(self, *_: object) -> None: ...
    def unavailable(self, *_: object) -> None: ...
    def lost(self, *_: object) -> None: ...


@spec("mcpx admin openapi")
def test_every_operation_answers_whatever_it_is_asked_as_it_says(tmp_path: Path) -> None:
    gateway = GatewayUnderTest(tmp_path)
    gateway.app.router.routes.extend(ops_routes(gateway.broker, gateway.metrics, lambda: False))
    gateway.app.router.routes.extend(document_routes())

    async def prepare() -> None:
        await gateway.broker.start("node-1", NobodyHears())
        await gateway.broker.remember("agent-a", ["mcp/proposal:*", "chat"], gateway.clock.now())

    asyncio.run(prepare())
    headers = gateway.admin()
    described = schemathesis.openapi.from_asgi("/openapi.json", gateway.app)
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]

    for operation, mode in itertools.product(operations, schemathesis.GenerationMode):
        if mode is schemathesis.GenerationMode.NEGATIVE and not operation.path.startswith("/admin/"):
            continue  # too little to get wrong

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=15, suppress_health_check=list(HealthCheck))
        def ask(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(checks=CHECKS, headers=headers)

        ask()

    assert len(operations) == 15
