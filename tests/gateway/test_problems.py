"""Every HTTP door says no in the same way, and tells nothing internal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import AuditUnavailable, BrokerUnavailable
from gateway.http.problems import EXCEPTION_HANDLERS, PROBLEMS, Problem, ProblemCode

SECRET = "redis://:hunter2@10.0.0.7"

RAISED: dict[str, Exception] = {
    "broker": BrokerUnavailable(SECRET),
    "audit": AuditUnavailable(SECRET),
    "bug": ValueError(SECRET),
    "missing": Problem(ProblemCode.TOKEN_MISSING),
    "expired": Problem(ProblemCode.TOKEN_REFUSED, "The token expired 3 s ago", reason="expired"),
    "pattern": Problem(ProblemCode.INVALID_PATTERN, "'*' grants everything", pattern="*"),
}


async def fails(request: Request) -> Response:
    raise RAISED[request.path_params["why"]]


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[Route("/{why}", fails)], exception_handlers=dict(EXCEPTION_HANDLERS))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def test_a_problem_has_the_standard_members_a_code_and_its_facts(http: httpx.AsyncClient) -> None:
    answer = await http.get("/pattern")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/schemas/problem.json#invalid_pattern",
        "title": "This is no capability pattern",
        "status": 422,
        "detail": "'*' grants everything",
        "code": "invalid_pattern",
        "pattern": "*",
    }


@pytest.mark.parametrize(("why", "status"), [("broker", 503), ("audit", 503), ("bug", 500)])
async def test_what_fails_inside_is_not_told_outside(http: httpx.AsyncClient, why: str, status: int) -> None:
    answer = await http.get(f"/{why}")

    assert answer.status_code == status
    assert "hunter2" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_who_brings_no_token_is_told_how_to_authenticate(http: httpx.AsyncClient) -> None:
    assert (await http.get("/missing")).headers["www-authenticate"] == "Bearer"
    assert (await http.get("/expired")).headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_an_unknown_address_and_a_wrong_method_are_problems_too(http: httpx.AsyncClient) -> None:
    nowhere, wrong = await http.get("/a/b"), await http.post("/missing")

    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["allow"]


def test_every_code_has_its_row() -> None:
    assert set(PROBLEMS) == set(ProblemCode)


def test_no_fact_can_take_the_place_of_a_standard_member() -> None:
    assert Problem(ProblemCode.NOT_FOUND, status=200, type="x").to_json()["status"] == 404
