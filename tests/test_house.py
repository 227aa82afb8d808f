"""The house stands as it was drawn: who imports whom, how large a module is, what no text may hold."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "capabilities", "gateway", "participants", "router_agent")
LONGEST_MODULE = 600
SANS_IO = ("schemas", "capabilities", "gateway/core", "participants/conversation")


def modules() -> list[Path]:
    """Every module that people wrote, relative to the root."""
    return sorted(
        path.relative_to(ROOT)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not re.search(r"_pb2(_grpc)?\.py$", path.name)
    )


def parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(), str(module))


@cache
def promised(room: str) -> frozenset[str]:
    """What a room offers to the others."""
    return frozenset(getattr(importlib.import_module(room), "__all__", ()))


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Yield name and text of every file that is, or would be, in the repository."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listing.stdout.splitlines():
        path = ROOT / name
        if path.is_file():
            data = path.read_bytes()
            if b"\0" not in data[:8000]:
                yield name, data.decode(errors="replace")


def test_imports_point_the_way_that_the_contracts_say() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


def test_a_room_is_entered_through_its_front_door() -> None:
    side_doors = [
        f"{module}:{node.lineno} imports from {node.module}"
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ImportFrom) and node.module and "." in node.module
        if (room := node.module.split(".")[0]) in ROOMS and room != module.parts[0]
    ]

    assert side_doors == []


def test_a_front_door_holds_a_promise_and_nothing_else() -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)
    for room in ROOMS:
        module = Path(room, "__init__.py")
        tree = parsed(module)

        assert ast.get_docstring(tree), f"{module} says nothing"
        for statement in tree.body:
            assert isinstance(statement, allowed), f"{module}:{statement.lineno} is more than a re-export"


@pytest.mark.parametrize("module", [m for m in modules() if m.as_posix().startswith(SANS_IO)], ids=str)
def test_rules_ask_no_clock(module: Path) -> None:
    clocks = {"now", "utcnow", "today"}
    asked = [
        f"{module}:{node.lineno}"
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in clocks
        if isinstance(node.func.value, ast.Name) and node.func.value.id in {"datetime", "date"}
    ]

    assert asked == []


def test_a_module_holds_one_idea() -> None:
    lengths = {module: len((ROOT / module).read_text().splitlines()) for module in modules()}
    long = {str(module): length for module, length in lengths.items() if length > LONGEST_MODULE}

    assert long == {}


def test_a_module_is_named_for_its_idea() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    badly_named = [
        str(module) for module in modules() if module.stem in vague or module.stem in sys.stdlib_module_names
    ]

    assert badly_named == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_what_others_use_says_what_it_is(module: Path) -> None:
    tree = parsed(module)
    silent = [] if ast.get_docstring(tree) else [str(module)]
    for node in tree.body:
        if not isinstance(
            node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            silent.append(f"{module}:{node.lineno} {node.name}")
        # A method that overrides keeps its docstring; inside a room a name may be enough.
        if isinstance(node, ast.ClassDef) and not node.bases and node.name in promised(module.parts[0]):
            silent += [
                f"{module}:{method.lineno} {node.name}.{method.name}"
                for method in node.body
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
                and not method.name.startswith("_")
                and not ast.get_docstring(method)
            ]

    assert silent == []


def test_an_ignored_type_error_has_its_rule_and_its_reason() -> None:
    ignore = "type: " + "ignore"
    bare = [
        f"{name}:{number}"
        for name, text in tracked_texts()
        if name.endswith(".py")
        for number, line in enumerate(text.splitlines(), 1)
        if f"# {ignore}" in line and not re.search(ignore + r"\[[a-z-, ]+\]\s+# \S+", line)
    ]

    assert bare == []


def test_nothing_names_a_machine_a_registry_or_work_left_undone() -> None:
    # Put together from halves, so that this file does not name them either.
    registries = "|".join(
        f"{host}\\.{end}" for host, end in (("pypi", "org"), ("npmjs", "(org|com)"), ("pythonhosted", "org"))
    )
    urls = r"(registry|index-url|resolved)[\" =:]+https?://"
    undone = rf"\b({'TO'}DO|{'FIX'}ME|{'X' * 3})\b"
    forbidden = re.compile(f"{registries}|{urls}|/{'work'}/|{undone}")
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if forbidden.search(line)
    ]

    assert found == []
