"""Cases, predictions and scores: what a number in the table means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router_agent.cases import Case, Expected, read_cases
from router_agent.cli import main
from router_agent.core import EVERY_CALL, Call, Catalogue, Decision, Route
from router_agent.errors import CasesRefused
from router_agent.evaluation import evaluate, lines_of
from router_agent.opening import open_router
from router_agent.scoring import Judged, judge, precision_at, refused_at, risk_coverage, same
from tests.router_agent.core.tools_at_hand import EXCHANGE, READ, WEATHER

TOOLS = [
    {"name": one.name, "description": one.description, "parameters": one.schema}
    for one in (WEATHER, EXCHANGE, READ)
]
CASES: list[dict[str, Any]] = [
    {
        "id": "a",
        "intent": "get the current weather of Oslo",
        "tools": TOOLS,
        "expected": [
            {"name": WEATHER.name, "arguments": {"city": ["Oslo"], "unit": ["celsius"]}, "optional": ["unit"]}
        ],
    },
    {"id": "b", "intent": "who painted the Mona Lisa", "tools_file": "tools.json", "expected": []},
]


def written(folder: Path, cases: list[dict[str, Any]]) -> Path:
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    path = folder / "cases.jsonl"
    path.write_text("".join(json.dumps(case) + "\n" for case in cases))
    return path


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ("New York", "new-york"),
        (1, 1.0),
        ([1, "a b"], [1, "AB"]),
        ({"a": 1}, {"a": [1, 2], "b": ["", 3]}),
        (True, True),
    ],
)
def test_values_are_compared_by_what_they_mean(got: Any, want: Any) -> None:
    assert same(got, want)


@pytest.mark.parametrize(
    ("got", "want"), [(1, True), ("1", 1), ([1], [1, 2]), ({"c": 1}, {"a": [1]}), (2, 1)]
)
def test_values_that_differ_are_not_the_same(got: Any, want: Any) -> None:
    assert not same(got, want)


def test_predictions_are_written_one_a_line(tmp_path: Path) -> None:
    cases, out = written(tmp_path, CASES), tmp_path / "out.jsonl"

    assert main(["predict", "--cases", str(cases), "--out", str(out), "--encoder", "none"]) == 0

    first, second = (json.loads(line) for line in out.read_text().splitlines())
    assert first["calls"] == [{"name": WEATHER.name, "arguments": {"city": "Oslo"}}]
    assert (first["id"], first["decision"]) == ("a", "act")
    assert 0 <= first["confidence"] <= 1
    assert first["ms"] > 0
    assert (second["id"], second["decision"]) == ("b", "none")


def test_a_strategy_is_measured_only_with_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = str(written(tmp_path, CASES))

    assert main(["eval", "--cases", cases, "--encoder", "none", "--strategy", "hierarchical"]) == 0
    assert "cases" in capsys.readouterr().out
    assert main(["eval", "--cases", cases, "--encoder", "none", "--strategy", "cascade"]) == 1
    assert "needs a model" in " ".join(capsys.readouterr().err.split())


def test_predictions_do_not_depend_on_what_is_expected(tmp_path: Path) -> None:
    blind = [{name: value for name, value in case.items() if name != "expected"} for case in CASES]
    outs = []
    for name, cases in (("with", CASES), ("without", blind)):
        folder = tmp_path / name
        folder.mkdir()
        main(
            [
                "predict",
                "--cases",
                str(written(folder, cases)),
                "--out",
                str(folder / "o"),
                "--encoder",
                "none",
            ]
        )
        outs.append([{**json.loads(line), "ms": 0} for line in (folder / "o").read_text().splitlines()])

    assert outs[0] == outs[1]


def test_a_line_that_is_no_case_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text('{"id": "a"}\n')

    with pytest.raises(CasesRefused, match="line 1"):
        list(read_cases(path))


def test_an_evaluation_prints_a_table(tmp_path: Path) -> None:
    report = evaluate(open_router(policy=EVERY_CALL), read_cases(written(tmp_path, CASES)))

    assert (report.rows[0].tool, report.rows[0].full, report.rows[0].refused) == (1.0, 1.0, 1.0)
    assert lines_of(report)[1].startswith("cases")


def call(name: str, **arguments: Any) -> Call:
    tool = next(one for one in (WEATHER, EXCHANGE, READ) if one.name == name)
    return Call(tool, arguments, confidence=0.5, wanted=0.5)


def judged(calls: list[Call], *expected: Expected, decision: Decision = Decision.ACT) -> Judged:
    case = Case("x", "x", Catalogue(), expected)
    return judge(case, Route("x", tuple(calls), decision, ""))


def test_a_call_is_right_only_in_full() -> None:
    want = Expected("read_file", {"path": ["a.txt"]})

    assert judged([call("read_file", path="a.txt")], want).full
    assert not judged([call("read_file", path="b.txt")], want).full
    assert not judged([call("read_file")], want).full
    assert not judged([call("read_file", path="a.txt", more=1)], want).full
    assert not judged([call("read_file", path="a.txt")], want, decision=Decision.PROPOSE).full
    assert judged([call("read_file", path="a.txt")], want, decision=Decision.PROPOSE).best_full


def test_several_calls_are_right_in_their_order_only() -> None:
    want = Expected("read_file", {"path": ["a.txt"]}), Expected("read_file", {"path": ["b.txt"]})

    assert judged([call("read_file", path="a.txt"), call("read_file", path="b.txt")], *want).full
    assert not judged([call("read_file", path="b.txt"), call("read_file", path="a.txt")], *want).full
    assert not judged([call("read_file", path="a.txt")] * 2, *want).full
    assert not judged([call("read_file", path="a.txt")], *want).tool


def test_where_it_is_right_to_ask_back_to_act_is_wrong() -> None:
    want = Expected("read_file", {"path": ["a.txt"]})
    case = Case("x", "read a.txt if it is there", Catalogue(), (want,), asks=True)

    def asked(decision: Decision, path: str = "a.txt") -> Judged:
        return judge(case, Route("x", (call("read_file", path=path),), decision, ""))

    assert asked(Decision.ASK).full
    assert not asked(Decision.ACT).full
    assert not asked(Decision.ASK, "b.txt").full


def row(confidence: float, *, right: bool = True, wants: bool = True, wanted: float = 0.5) -> Judged:
    acted = True
    return Judged("", wants, acted, right, right, right, right, confidence, wanted, 1.0)


def test_risk_and_coverage_go_from_careful_to_bold() -> None:
    rows = [row(0.9), row(0.8), row(0.7, right=False), row(0.6)]

    assert [(one.coverage, round(one.precision, 2)) for one in risk_coverage(rows)] == [
        (0.25, 1.0),
        (0.5, 1.0),
        (0.75, 0.67),
        (1.0, 0.75),
    ]
    assert precision_at(rows, 0.4) == 1.0


def test_refusal_is_measured_where_others_pass() -> None:
    wanted = [row(0.5, wanted=share / 20) for share in range(20)]
    others = [row(0.5, wants=False, wanted=0.0), row(0.5, wants=False, wanted=0.9)]

    assert refused_at([*wanted, *others], 0.95) == 0.5


SEVERAL = Path(__file__).parent / "cases"
FLOORS = {"seen": (0.8, 0.7), "held back": (0.85, 0.7)}
"""Right tools in their order, and all of it right; whoever improves looks at none that is held back."""


def test_requests_with_several_calls_do_not_get_worse() -> None:
    router = open_router(policy=EVERY_CALL)
    seen, held_back = (
        evaluate(router, read_cases(SEVERAL / name)).rows[0]
        for name in ("several_calls.jsonl", "several_calls_held_back.jsonl")
    )

    assert (seen.cases, held_back.cases) == (24, 48)
    assert (seen.tool or 0) >= FLOORS["seen"][0]
    assert (seen.acted_full or 0) >= FLOORS["seen"][1]
    assert (held_back.tool or 0) >= FLOORS["held back"][0]
    assert (held_back.acted_full or 0) >= FLOORS["held back"][1]
