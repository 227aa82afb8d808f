"""Is it alive, is it ready, how is it doing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette

from gateway.broker.memory import MemoryBroker
from gateway.http.guard import Guard
from gateway.http.ops import metrics_app, ops_routes
from gateway.http.problems import EXCEPTION_HANDLERS
from gateway.metrics import Metrics


class Node:
    """What the routes ask of a node."""

    def __init__(self) -> None:
        self.is_draining = False
        self.broker = MemoryBroker(new_epoch=lambda: "e1")
        self.metrics = Metrics()
        routes = ops_routes(self.broker, self.metrics, lambda: self.is_draining)
        self.app = Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)

    def is_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(MemoryBroker, "is_available", True)


@contextmanager
def asking(app: Starlette, peer: str = "127.0.0.1") -> Iterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=(peer, 50000))
    yield httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


async def test_a_node_is_alive_even_while_its_broker_is_away() -> None:
    node = Node()

    with asking(node.app) as http:
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/readyz")).status_code == 503


async def test_a_node_is_ready_while_its_broker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    node.is_up(monkeypatch)

    with asking(node.app) as http:
        plain, verbose = await http.get("/readyz"), await http.get("/readyz?verbose")

    assert plain.json() == {"ready": True, "reasons": [], "facts": None}
    assert verbose.json()["facts"] == {"broker": "memory", "durable_rights": False}


async def test_a_node_that_drains_or_lost_its_broker_says_so_and_when_to_ask_again() -> None:
    node = Node()
    node.is_draining = True

    with asking(node.app) as http:
        answer = await http.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["this node is going away", "the broker does not answer"]
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
async def test_metrics_are_for_callers_on_the_same_machine(peer: str) -> None:
    with asking(Node().app, peer) as http:
        answer = await http.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "mcpx_envelopes_received_total 0.0" in answer.text


@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1", "testclient", ""])
async def test_metrics_are_not_for_others(peer: str) -> None:
    with asking(Node().app, peer) as http:
        answer = await http.get("/metrics")

    assert (answer.status_code, answer.json()["code"]) == (403, "loopback_only")


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
async def test_a_proxy_on_the_same_machine_does_not_open_metrics_to_the_world(header: str) -> None:
    with asking(Node().app) as http:
        answer = await http.get("/metrics", headers={header: "127.0.0.1"})

    assert answer.status_code == 403


async def test_a_port_of_their_own_shows_metrics_to_whoever_reaches_it() -> None:
    node = Node()
    app = metrics_app(node.broker, node.metrics, lambda: False, Guard.of("", [], []))

    with asking(app, "10.0.0.7") as http:
        assert (await http.get("/metrics")).status_code == 200
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/admin/topics")).status_code == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9090", 200),
        ("10.1.2.3:9090", 200),
        ("[fd00::5]:9090", 200),
        ("gateway.example", 200),
        ("rebound.evil.example", 421),
        ("10.1.2.3.evil.example", 421),
        ("[fd00::5", 421),
    ],
)
async def test_a_metrics_port_answers_to_addresses_and_to_names_that_are_allowed(
    host: str, status: int
) -> None:
    node = Node()
    app = metrics_app(node.broker, node.metrics, lambda: False, Guard.of("", ["gateway.example"], []))

    with asking(app) as http:
        answers = [await http.get(path, headers={"Host": host}) for path in ("/metrics", "/livez")]

    assert [answer.status_code for answer in answers] == [status, status]
