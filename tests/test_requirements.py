"""Every requirement has a test that names it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requirements import (
    CAPABILITIES,
    GATEWAY_ADMIN,
    GATEWAY_CORE,
    GATEWAY_DOORS,
    MAIN_JOB,
    PARTICIPANTS,
    REQUIREMENTS,
    SCHEMAS,
    spec,
)

TESTS = Path(__file__).parent
GROUPS = (SCHEMAS, CAPABILITIES, GATEWAY_CORE, GATEWAY_DOORS, GATEWAY_ADMIN, PARTICIPANTS, MAIN_JOB)


def named_ids(source: str) -> Iterator[str]:
    """Yield the ids that calls of `spec` name in a test module; read, not run, so part of a suite will do."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "spec":
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def test_no_requirement_is_left_without_a_test() -> None:
    named = {
        id
        for module in TESTS.rglob("test_*.py")
        if module.name != "test_requirements.py"
        for id in named_ids(module.read_text())
    }
    missing = [id for id in REQUIREMENTS if id not in named]
    listing = "\n".join(f"  {id}: {REQUIREMENTS[id]}" for id in missing)

    assert not missing, f"{len(missing)} of {len(REQUIREMENTS)} requirements have no test:\n{listing}"


def test_each_id_stands_in_one_group() -> None:
    twice = [id for id, count in Counter(id for group in GROUPS for id in group).items() if count > 1]

    assert twice == []


def test_an_id_that_is_not_listed_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="is no requirement"):
        spec("MCPx 99 something")


def test_ids_are_found_in_decorators_and_in_parameters() -> None:
    source = '@spec("one", "two")\ndef test_a(): ...\ncases = [pytest.param(1, marks=spec("three"))]'

    assert list(named_ids(source)) == ["one", "two", "three"]
