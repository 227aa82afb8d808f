"""Threads for models: what waits goes together, what is late is left, and none keeps the process alive."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from router_agent.batching import BatchedEncoder
from router_agent.core import Plan, Tool
from router_agent.gathering import BesideEachOther
from router_agent.models import Reading, ToolPage
from router_agent.workers import Workers

SOON = 30.0


class Slow:
    """An encoder that remembers what it was asked, and hears its first intent only when it is let go."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []
        self.began, self.let_go, self.met = threading.Event(), threading.Event(), threading.Event()
        self.threads: set[int] = set()

    def hear(self, intents: Sequence[str]) -> None:
        self.threads.add(threading.get_ident())
        self.heard.append(list(intents))
        self.began.set()
        self.let_go.wait(SOON)

    def prepare(self, tools: Sequence[ToolPage]) -> None:
        self.heard.append([tool.name for tool in tools])
        self.began.set()
        self.let_go.wait(SOON)
        if tools[0].name == "broken":
            raise RuntimeError("it does not encode")
        if tools[0].name == "new":
            self.met.set()

    def nearness(self, intent: str, texts: Sequence[str]) -> Sequence[float]:
        self.threads.add(threading.get_ident())
        if intent == "broken":
            raise RuntimeError("it does not encode")
        return [float(len(intent) + len(text)) for text in texts]

    def read(self, intent: str, tools: Sequence[ToolPage]) -> Sequence[Reading]:
        return [Reading(0.5, ()) for _ in tools]


def test_intents_that_wait_for_the_encoder_go_into_one_pass() -> None:
    slow = Slow()
    encoder = BatchedEncoder(slow)
    with ThreadPoolExecutor(4) as callers:
        first = callers.submit(encoder.nearness, "a", ["x"])
        assert slow.began.wait(SOON)
        others = [callers.submit(encoder.nearness, intent, ["x", "yy"]) for intent in ("bb", "ccc")]
        reading = callers.submit(encoder.read, "bb", [ToolPage("t")])
        while len(encoder._waiting) < 3:
            assert not any(one.done() for one in others)
        slow.let_go.set()

        assert first.result(SOON) == [2.0]
        assert [one.result(SOON) for one in others] == [[3.0, 4.0], [4.0, 5.0]]
        assert len(reading.result(SOON)) == 1
    assert slow.heard[0] == ["a"]
    assert sorted(slow.heard[1]) == ["bb", "ccc"]
    assert len(slow.heard) == 2
    assert len(slow.threads) == 1


def test_an_intent_goes_before_the_tools_that_are_to_be_met() -> None:
    slow = Slow()
    encoder = BatchedEncoder(slow)
    encoder.meet([Tool("server", "old"), Tool("server", "forgotten")])
    assert slow.began.wait(SOON)
    encoder.meet([Tool("server", "broken"), Tool("server", "new")])
    with ThreadPoolExecutor(1) as callers:
        asked = callers.submit(encoder.nearness, "a", ["x"])
        while not encoder._waiting:
            assert not asked.done()
        slow.let_go.set()
        assert asked.result(SOON) == [2.0]
    assert slow.met.wait(SOON)

    assert slow.heard == [["old"], ["a"], ["broken"], ["new"]]


def test_who_measures_waits_until_all_tools_are_prepared() -> None:
    slow = Slow()
    slow.let_go.set()

    BatchedEncoder(slow).prepare([Tool("server", "read"), Tool("server", "new")])

    assert slow.heard == [["read", "new"]]


def test_a_question_that_fails_harms_no_other() -> None:
    slow = Slow()
    slow.let_go.set()
    encoder = BatchedEncoder(slow)

    with pytest.raises(RuntimeError, match="does not encode"):
        encoder.nearness("broken", ["x"])
    assert encoder.nearness("a", ["x"]) == [2.0]


def test_experts_run_beside_each_other_and_the_late_one_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, met = threading.Event(), threading.Barrier(2)
    waited: list[float] = []

    def wait(works: Sequence[Future[Plan]], within: float) -> None:
        """The time is over when one of them is done."""
        waited.append(within)
        works[1].result(SOON)

    def late() -> Plan:
        met.wait(SOON)
        let_go.wait(SOON)
        return Plan()

    def quick() -> Plan:
        met.wait(SOON)
        return Plan((), (("select", 1.0),))

    monkeypatch.setattr("router_agent.gathering.wait", wait)
    try:
        assert BesideEachOther(at_once=2, within=6.0)([late, quick]) == [None, quick_plan()]
    finally:
        let_go.set()
    assert waited == [6.0]


def quick_plan() -> Plan:
    return Plan((), (("select", 1.0),))


def test_no_more_experts_than_allowed_are_at_work() -> None:
    at_work: list[int] = []
    most = 0
    lock = threading.Lock()
    asked = 0

    def expert() -> Plan:
        nonlocal most, asked
        with lock:
            at_work.append(1)
            asked += 1
            most = max(most, len(at_work))
        with lock:
            at_work.pop()
        return Plan()

    together = BesideEachOther(at_once=1, within=SOON)

    assert together([expert] * 5) == [Plan()] * 5
    assert (asked, most) == (5, 1)


def test_what_an_expert_raises_is_raised() -> None:
    def broken() -> Plan:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        BesideEachOther()([broken])


def test_work_that_was_cancelled_while_it_waited_is_skipped() -> None:
    let_go = threading.Event()
    workers = Workers("test")
    first = workers.submit(lambda: let_go.wait(SOON))
    skipped = workers.submit(lambda: pytest.fail("it was cancelled"))
    assert skipped.cancel()
    let_go.set()
    last = workers.submit(lambda: "done")

    assert first.result(SOON)
    assert last.result(SOON) == "done"
    workers.close()


def test_a_thread_that_is_stuck_does_not_keep_the_process() -> None:
    code = (
        "import threading; from router_agent.workers import Workers; began = threading.Event();"
        "Workers('stuck').submit(lambda: (began.set(), threading.Event().wait())); began.wait(); print('bye')"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (0, b"bye\n")
