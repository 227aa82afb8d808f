"""What operators' machines ask: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.broker.protocol import Broker
from gateway.http.guard import Guard, HostCheck
from gateway.http.problems import EXCEPTION_HANDLERS, RETRY_AFTER_S, Problem, ProblemCode
from gateway.metrics import CONTENT_TYPE, Metrics
from schemas import documents, rest

_NO_STORE: Final = {"Cache-Control": "no-store"}
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""A request with one of these came through a proxy: who asks is not who the socket says."""

_described = partial(documents.Operation, tag="operations", is_secured=False)

LIVEZ: Final = _described(
    id="livez",
    path="/livez",
    summary="200 while the process answers at all",
    content_type="text/plain",
)
READYZ: Final = _described(
    id="readyz",
    path="/readyz",
    summary="200 while this node can take connections; `?verbose` says what it stands on",
    answer=rest.Readiness,
    parameters=(
        documents.Parameter(
            "verbose", "query", "Facts about the node too.", {"type": "string", "enum": ["", "1", "true"]}
        ),
    ),
    other_answers={
        "503": {
            "description": "Not now; `reasons` says why",
            "headers": {"Retry-After": {"schema": {"type": "integer"}}},
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Readiness"}}},
        }
    },
)
METRICS: Final = _described(
    id="metrics",
    path="/metrics",
    summary="Prometheus metrics; to callers on the same machine, unless they have a port of their own",
    content_type="text/plain",
    problems=(ProblemCode.LOOPBACK_ONLY,),
)
OPS_OPERATIONS: Final = (LIVEZ, READYZ, METRICS)


def ops_routes(
    broker: Broker, metrics: Metrics, is_draining: Callable[[], bool], *, metrics_to_loopback: bool = True
) -> list[Route]:
    """
    Return `/livez`, `/readyz` and `/metrics`.

    `metrics_to_loopback`: whether `/metrics` is here, for callers on the same
    machine; without it there is none, because it has a port of its own.
    """

    async def readyz(request: Request) -> Response:
        return _readiness(broker, is_draining(), verbose=_is_verbose(request))

    async def local_metrics(request: Request) -> Response:
        if not _is_from_here(request):
            why = "Ask from the same machine, or give metrics a port of their own (--metrics-port)"
            raise Problem(ProblemCode.LOOPBACK_ONLY, why)
        return _scrape(metrics)

    routes = [Route(LIVEZ.path, _livez, name=LIVEZ.id), Route(READYZ.path, readyz, name=READYZ.id)]
    if metrics_to_loopback:
        routes.append(Route(METRICS.path, local_metrics, name=METRICS.id))
    return routes


def metrics_app(broker: Broker, metrics: Metrics, is_draining: Callable[[], bool], guard: Guard) -> Starlette:
    """
    Return the application for `--metrics-port`: the same three, for whoever reaches that port.

    But for a page whose name somebody points here: hosts are those that `guard`
    knows, and addresses.
    """

    async def everybodys_metrics(_: Request) -> Response:
        return _scrape(metrics)

    return Starlette(
        routes=[
            *ops_routes(broker, metrics, is_draining, metrics_to_loopback=False),
            Route(METRICS.path, everybodys_metrics, name=METRICS.id),
        ],
        middleware=[Middleware(HostCheck, knows=guard.knows_host_or_address)],
        exception_handlers=EXCEPTION_HANDLERS,
    )


async def _livez(_: Request) -> Response:
    return PlainTextResponse("ok\n", headers=_NO_STORE)


def _readiness(broker: Broker, is_draining: bool, *, verbose: bool) -> Response:
    reasons = []
    if is_draining:
        reasons.append("this node is going away")
    if not broker.is_available:
        reasons.append("the broker does not answer")
    state = rest.Readiness(
        ready=not reasons, reasons=reasons, facts=dict(broker.description) if verbose else None
    )
    return Response(
        msgspec.json.encode(state),
        status_code=503 if reasons else 200,
        media_type="application/json",
        headers=_NO_STORE | ({"Retry-After": str(RETRY_AFTER_S)} if reasons else {}),
    )


def _scrape(metrics: Metrics) -> Response:
    return Response(metrics.render(), headers={"Content-Type": CONTENT_TYPE, **_NO_STORE})


def _is_verbose(request: Request) -> bool:
    return request.query_params.get("verbose", "0") in {"", "1", "true"}


def _is_from_here(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
