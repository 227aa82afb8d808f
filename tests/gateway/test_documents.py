"""What the gateway serves about itself is what it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.http.documents import document_routes
from gateway.http.ops import ops_routes
from gateway.http.problems import EXCEPTION_HANDLERS, PROBLEMS, Problem, ProblemCode
from gateway.metrics import Metrics
from tests.gateway.admin.gateway_under_test import GatewayUnderTest, running
from tests.requirements import spec


@pytest.fixture
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GatewayUnderTest]:
    async with running(tmp_path_factory.mktemp("gateway")) as started:
        broker, metrics = started.broker, Metrics()
        started.app.router.routes.extend(ops_routes(broker, metrics, lambda: False))
        started.app.router.routes.extend(document_routes())
        yield started


async def openapi_of(gateway: GatewayUnderTest) -> dict[str, Any]:
    document: dict[str, Any] = (await gateway.http.get("/openapi.json")).json()
    return document


@spec("mcpx admin schemas")
async def test_every_schema_of_the_index_is_served_under_its_own_name(gateway: GatewayUnderTest) -> None:
    listed = (await gateway.http.get("/schemas/index.json")).json()["schemas"]

    assert {"envelope", "request", "chat", "problem"} <= {one["name"] for one in listed}
    for one in listed:
        answer = await gateway.http.get(one["href"])
        assert answer.headers["content-type"] == "application/schema+json"
        assert answer.json()["$id"] == one["href"]
        jsonschema_rs.meta.validate(answer.json())


async def test_a_document_that_is_known_is_not_sent_again(gateway: GatewayUnderTest) -> None:
    tag = (await gateway.http.get("/openapi.json")).headers["etag"]

    again = await gateway.http.get("/openapi.json", headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert (await gateway.http.get("/schemas/nothing.json")).status_code == 404


@spec("mcpx admin openapi")
async def test_openapi_describes_every_route_and_no_other(gateway: GatewayUnderTest) -> None:
    described = {
        (path, method.upper())
        for path, methods in (await openapi_of(gateway))["paths"].items()
        for method in methods
    }

    routes = {
        (route.path, method)
        for route in gateway.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == routes


@spec("mcpx admin openapi")
async def test_openapi_refers_only_to_what_it_holds(gateway: GatewayUnderTest) -> None:
    document = await openapi_of(gateway)

    def check(value: Any) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
            for member in value.values():
                check(member)
        elif isinstance(value, list):
            for item in value:
                check(item)

    check(document)
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def validator(document: dict[str, Any], schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


@spec("mcpx admin openapi")
async def test_what_routes_answer_is_what_openapi_says(gateway: GatewayUnderTest) -> None:
    document = await openapi_of(gateway)
    await gateway.join("agent-a")
    admin = gateway.admin()
    requests = [
        ("post", "/admin/participants/{id}/capabilities", {"add": ["mcp/request:tools/*"], "ttl_s": 60}, ""),
        ("post", "/admin/participants/{id}/capabilities", {"add": ["*"]}, ""),
        ("post", "/admin/participants/{id}/disconnect", {"reason": "stuck"}, ""),
        ("post", "/admin/revocations", {"participant": "bob"}, ""),
        ("post", "/admin/revocations", {"jti": "t1"}, ""),
        ("post", "/admin/revocations", {}, ""),
        ("get", "/admin/revocations", None, ""),
        ("get", "/admin/participants", None, ""),
        ("get", "/admin/participants/{id}", None, ""),
        ("get", "/admin/topics", None, "?limit=0"),
        ("get", "/admin/topics", None, ""),
        ("get", "/admin/explain", None, "?participant=agent-a&topic=ops&kind=chat"),
        ("get", "/admin/audit", None, ""),
        ("get", "/readyz", None, "?verbose"),
    ]

    for method, path, body, query in requests:
        operation = document["paths"][path][method]
        address = path.replace("{id}", "agent-a") + query
        answer = await gateway.http.request(method, address, json=body, headers=admin)

        response = operation["responses"][str(answer.status_code)]
        (content,) = response["content"].values()
        validator(document, content["schema"]).validate(answer.json())
        if answer.status_code == 200 and body is not None:
            sent = operation["requestBody"]["content"]["application/json"]["schema"]
            validator(document, sent).validate(body)


@pytest.mark.parametrize("code", ProblemCode)
async def test_the_type_of_a_problem_leads_to_its_description(
    gateway: GatewayUnderTest, code: ProblemCode
) -> None:
    problem = Problem(code).to_json()
    page, _, anchor = str(problem["type"]).partition("#")

    schema = (await gateway.http.get(page)).json()

    assert schema["$defs"][anchor]["$anchor"] == anchor
    assert schema["$defs"][anchor]["title"] == PROBLEMS[code].title
    assert jsonschema_rs.Draft202012Validator(schema).is_valid(problem)


async def test_documents_need_no_token_and_hold_no_secret() -> None:
    app = Starlette(routes=document_routes(), exception_handlers=EXCEPTION_HANDLERS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
        assert (await http.get("/asyncapi.json")).json()["asyncapi"] == "3.0.0"
