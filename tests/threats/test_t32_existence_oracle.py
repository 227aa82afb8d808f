"""T32: an answer, or its time, tells a stranger what exists."""

from __future__ import annotations

import ast
from pathlib import Path

import httpx
import pytest

from tests.conformance.topic_under_test import TopicUnderTest

ROOT = Path(__file__).parents[2]


async def test_a_topic_that_exists_and_one_that_does_not_are_refused_in_the_same_words(
    ops: TopicUnderTest,
) -> None:
    token = ops.gateway.token("mallory", topics=["mine"])
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        ops.join("ann", "chat"),
        httpx.AsyncClient(
            base_url=ops.gateway.http_url, headers=headers, trust_env=False, timeout=30
        ) as http,
    ):
        known, unknown = [await http.get(f"/ws?topic={name}") for name in (ops.name, "n-" + ops.name[2:])]

    assert known.status_code == unknown.status_code == 403
    assert known.content == unknown.content
    assert [*known.headers] == [*unknown.headers]


async def test_a_stranger_cannot_tell_a_participant_that_exists(ops: TopicUnderTest) -> None:
    async with (
        ops.join("ann", "chat"),
        httpx.AsyncClient(base_url=ops.gateway.http_url, trust_env=False, timeout=30) as http,
    ):
        for headers in ({}, {"Authorization": f"Bearer {ops.gateway.token('mallory')}"}):
            known, unknown = [
                await http.get(f"/admin/participants/{name}", headers=headers)
                for name in ("ann", "nobody-at-all")
            ]
            assert known.status_code == unknown.status_code != 200
            assert known.content == unknown.content


async def test_a_token_with_a_wrong_end_is_refused_like_one_with_a_wrong_beginning(
    ops: TopicUnderTest,
) -> None:
    header, claims, signature = ops.gateway.token("ann").split(".")
    wrong = [
        f"{header}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        f"{header}.{claims}.{signature[:20]}{'A' if signature[20] != 'A' else 'B'}{signature[21:]}",
    ]
    async with httpx.AsyncClient(base_url=ops.gateway.http_url, trust_env=False, timeout=30) as http:
        first, second = [
            await http.get(f"/ws?topic={ops.name}", headers={"Authorization": f"Bearer {token}"})
            for token in wrong
        ]

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.status_code == 401


@pytest.mark.parametrize("room", ["capabilities", "gateway"])
def test_no_secret_or_seal_is_compared_with_an_equals_sign(room: str) -> None:
    words = {"secret", "signature", "seal", "digest", "mac", "token", "password"}
    compared = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Name | ast.Attribute)
        and (side.id if isinstance(side, ast.Name) else side.attr) in words
    ]

    assert compared == []
