"""docs/threats.md and these tests say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.bench.bars import BARS
from tests.bench.cases import BY_NAME

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "threats.md"
COUNT = 32

MODULES = {path.name: path for path in HERE.glob("test_t[0-9]*.py")}
ROWS = {
    int(number): (stops, proved)
    for number, stops, proved in re.findall(
        r"^\| T(\d+) \|[^|]*\|([^|]*)\|([^|]*)\|$", PAGE.read_text(), re.MULTILINE
    )
}


def claims(module: Path) -> list[str]:
    """The tests of a module."""
    return [
        node.name
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def test_each_threat_has_one_row() -> None:
    assert sorted(ROWS) == list(range(1, COUNT + 1))


def test_each_threat_is_proved_by_a_module_of_its_name_or_waits_for_a_feature() -> None:
    for number, (stops, proved) in ROWS.items():
        named = re.findall(r"`(test_\w+\.py)`", proved)
        assert named or re.search(r"waits? for [A-Z]+", stops), f"T{number} is neither proved nor waits"
        for name in named:
            assert name.startswith(f"test_t{number:02}_"), f"{name} is in the row of T{number}"
            assert name in MODULES, f"T{number} names {name}, which is not there"
            assert claims(MODULES[name]), f"{name} has no test"


def test_what_the_page_says_of_the_bench_is_measured_and_has_a_bar() -> None:
    told = re.findall(r"in `make bench`: ([^|]*)", PAGE.read_text())
    named = {name for text in told for name in re.findall(r"`([\w-]+)`", text)}

    assert named == {"stalled", "calm", "joins1000"}
    assert named <= BY_NAME.keys()
    claims_of_bars = " ".join(bar.claim for bar in BARS)
    assert "stalled: p99 of the others / without it" in claims_of_bars
    assert "joins1000: seconds until all know all" in claims_of_bars


def test_each_module_stands_in_the_table_and_names_its_threat() -> None:
    listed = {name for _, proved in ROWS.values() for name in re.findall(r"`(test_\w+\.py)`", proved)}

    assert set(MODULES) == listed
    for name, path in MODULES.items():
        number = int(name[6:8])
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert text.startswith(f"T{number}: "), f"{name} does not say that it is T{number}"
