"""The audit log: nothing is done that is not written, and nothing that is written can be altered unseen."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import os
import resource
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import Act, AuditedAct, AuditLog, Outcome, verify
from gateway.audit.__main__ import main
from gateway.audit.chain import GENESIS, Chain
from gateway.errors import AuditUnavailable
from tests.requirements import spec


def at_two_o_clock() -> float:
    return 1756216800.0


def act(target: str = "agent-a", why: str = "42 of 42 approved") -> Act:
    return Act(
        who="ann",
        token="admin-token-1",
        what="capabilities.change",
        target=target,
        topic="ops",
        why=why,
        facts={"add": ["mcp/request:tools/*"], "remove": []},
    )


def anything(_: AuditedAct) -> bool:
    return True


def targets(acts: list[AuditedAct]) -> list[str]:
    return [one.act.target for one in acts]


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl", at_two_o_clock)


@spec("mcpx admin audited")
def test_an_act_is_read_back_with_who_what_when_why_and_what_came_of_it(log: AuditLog) -> None:
    seq = log.begin(act())
    log.end(seq, Outcome.DONE, {"newCapabilities": ["chat"]})

    page = log.read(anything, 10)

    assert page.acts == [
        AuditedAct(
            seq=1,
            at="2025-08-26T14:00:00.000Z",
            act=act(),
            outcome=Outcome.DONE,
            result={"newCapabilities": ["chat"]},
        )
    ]
    assert page.chain.is_intact
    assert page.next is None


def test_an_act_is_on_the_disk_before_it_is_done(log: AuditLog) -> None:
    log.begin(act())

    (found,) = log.read(anything, 10).acts

    assert found.outcome is Outcome.UNKNOWN


def test_the_newest_acts_come_first_and_only_those_asked_for(log: AuditLog) -> None:
    for number in range(5):
        log.end(log.begin(act(f"agent-{number}")), Outcome.DONE)

    page = log.read(lambda act: act.act.target != "agent-3", 2)

    assert targets(page.acts) == ["agent-4", "agent-2"]
    assert page.chain.lines == 10


@settings(max_examples=25)
@given(
    lines=st.lists(st.sampled_from(["act", "outcome", "crash"]), max_size=30),
    limit=st.integers(1, 7),
    block=st.integers(1, 2000),
)
def test_pages_from_the_end_hold_each_act_once_with_its_outcome(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], limit: int, block: int
) -> None:
    log = AuditLog(tmp_path_factory.mktemp("audit") / "audit.jsonl", at_two_o_clock)
    open_acts: list[int] = []
    expected: dict[int, Outcome] = {}
    for line in lines:
        if line == "act":
            open_acts.append(log.begin(act()))
            expected[open_acts[-1]] = Outcome.UNKNOWN
        elif line == "crash":
            with log.path.open("ab") as file:
                file.write(b'{"seq":')
        elif open_acts:
            expected[open_acts[0]] = Outcome.DONE
            log.end(open_acts.pop(0), Outcome.DONE)

    found: list[AuditedAct] = []
    before: int | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.audit.reading._BLOCK_BYTES", block)
        while True:
            page = log.read(anything, limit, before)
            assert page.chain.is_intact
            assert len(page.acts) <= limit
            found += page.acts
            if page.next is None:
                break
            before = page.next

    assert [(one.seq, one.outcome) for one in found] == sorted(expected.items(), reverse=True)


def test_a_page_looks_at_so_many_lines_however_few_are_wanted(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.audit.reading.MOST_LINES", 8)
    monkeypatch.setattr("gateway.audit.reading.OUTCOME_WITHIN", 2)
    for number in range(20):
        log.end(log.begin(act(f"agent-{number}")), Outcome.DONE)
    looked: list[int] = []

    def is_wanted(one: AuditedAct) -> bool:
        looked.append(one.seq)
        return one.act.target == "agent-2"

    pages = [log.read(is_wanted, 5)]
    while (before := pages[-1].next) is not None:
        pages.append(log.read(is_wanted, 5, before))

    assert [targets(page.acts) for page in pages if page.acts] == [["agent-2"]]
    assert len(looked) <= 5 * len(pages)


@spec("mcpx admin audit chain")
def test_a_line_altered_after_it_was_walked_shows_on_its_page(log: AuditLog) -> None:
    for number in range(5):
        log.begin(act(f"agent-{number}"))
    log.path.write_bytes(log.path.read_bytes().replace(b"agent-1", b"agent-9"))

    newest, older = log.read(anything, 2), log.read(anything, 2, before=4)

    assert newest.chain.is_intact
    assert older.chain.broken_at == 3
    assert log.read(anything, 5).chain.broken_at == 3


@spec("mcpx admin audit chain")
def test_the_last_line_altered_after_it_was_walked_shows(log: AuditLog) -> None:
    log.begin(act("agent-1"))
    log.path.write_bytes(log.path.read_bytes().replace(b"agent-1", b"agent-9"))

    assert not log.read(anything, 1).chain.is_intact


def test_a_log_mended_in_its_place_is_whole_again(log: AuditLog) -> None:
    log.begin(act("agent-1"))
    log.begin(act("agent-2"))
    written = log.path.read_bytes()
    log.path.write_bytes(written.replace(b"agent-1", b"agent-11"))
    after_restart = AuditLog(log.path, at_two_o_clock)
    assert after_restart.read(anything, 5).chain.broken_at == 2
    with pytest.raises(AuditUnavailable, match="broken at line 2"):
        after_restart.begin(act())

    log.path.write_bytes(written)

    assert after_restart.read(anything, 5).chain.is_intact
    after_restart.begin(act())


def test_only_its_owner_may_read_the_file(log: AuditLog) -> None:
    log.path.write_bytes(b"")
    log.path.chmod(0o666)

    log.check()

    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


@spec("mcpx admin audit chain")
@given(position=st.integers(0, 10_000), replacement=st.binary(min_size=1, max_size=3))
def test_a_change_anywhere_before_the_last_line_breaks_the_chain(
    tmp_path_factory: pytest.TempPathFactory, position: int, replacement: bytes
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    log = AuditLog(path, at_two_o_clock)
    for _ in range(3):
        log.end(log.begin(act()), Outcome.DONE)
    written = path.read_bytes()
    position %= written.rindex(b"\n", 0, -1)
    altered = written[:position] + replacement + written[position + len(replacement) :]

    path.write_bytes(altered)

    assert verify(path).is_intact == (altered == written)


@spec("mcpx admin audit chain")
@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda lines: lines[1:], id="the first is removed"),
        pytest.param(lambda lines: lines[:2] + lines[3:], id="one is removed"),
        pytest.param(lambda lines: [lines[0], lines[0], *lines[1:]], id="one is repeated"),
        pytest.param(lambda lines: [lines[1], lines[0], *lines[2:]], id="two are swapped"),
        pytest.param(lambda lines: [*lines[:2], b"{}\n", *lines[2:]], id="one is put between"),
        pytest.param(lambda lines: [*lines[:2], b"\n", b"\n", *lines[2:]], id="empty ones are put between"),
    ],
)
def test_lines_removed_moved_or_put_between_are_noticed_and_acts_refused(
    log: AuditLog, alter: Callable[[list[bytes]], list[bytes]]
) -> None:
    for _ in range(3):
        log.end(log.begin(act()), Outcome.DONE)
    log.path.write_bytes(b"".join(alter(log.path.read_bytes().splitlines(keepends=True))))

    assert not verify(log.path).is_intact
    with pytest.raises(AuditUnavailable, match="chain is broken at line"):
        AuditLog(log.path, at_two_o_clock).begin(act())


@pytest.mark.parametrize(
    "line", [b'{"seq":1,"prev":"PREV","of":[]}', b'{"prev":"PREV"}', b'{"seq":1,"prev":[]}']
)
def test_a_line_that_only_looks_like_ours_is_none_of_the_log(log: AuditLog, line: bytes) -> None:
    log.path.write_bytes(line.replace(b"PREV", GENESIS.encode()) + b"\n{}\n")

    page = log.read(anything, 10)

    assert (page.acts, page.chain.broken_at) == ([], 2)
    assert "no audit line" in page.chain.why


def test_a_log_cut_off_under_a_running_gateway_refuses_acts(log: AuditLog) -> None:
    log.begin(act())
    log.begin(act())
    lines = log.path.read_bytes().splitlines(keepends=True)
    os.truncate(log.path, len(lines[0]))

    with pytest.raises(AuditUnavailable, match="cut off"):
        log.begin(act())
    assert log.read(anything, 5).chain.why == "lines were cut off its end"


def test_a_log_goes_on_after_a_restart(log: AuditLog) -> None:
    log.begin(act())

    AuditLog(log.path, at_two_o_clock).begin(act())

    assert verify(log.path).lines == 2
    assert verify(log.path).is_intact


def test_a_log_that_the_operator_moved_away_begins_anew(log: AuditLog) -> None:
    log.begin(act())
    log.path.rename(log.path.with_suffix(".old"))

    log.begin(act())

    assert verify(log.path).lines == 1
    assert verify(log.path).is_intact


@given(cut=st.integers(min_value=1))
def test_a_crash_in_the_middle_of_a_line_leaves_it_and_the_log_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    log = AuditLog(path, at_two_o_clock)
    log.begin(act("first"))
    first = path.stat().st_size
    log.begin(act("second"))
    os.truncate(path, first + cut % (path.stat().st_size - first))
    after_crash = AuditLog(path, at_two_o_clock)

    assert verify(path).is_intact
    after_crash.begin(act("third"))

    page = after_crash.read(anything, 10)
    assert page.chain.is_intact
    assert {"first", "third"} <= set(targets(page.acts))


@given(st.text())
def test_no_text_can_end_a_line_or_begin_another(text: str) -> None:
    chain = Chain()

    line = chain.next_line("2025-08-26T14:00:00.000Z", {"why": text})

    assert line.isascii()
    assert len(line.decode().splitlines()) == 1
    assert json.loads(line)["why"] == text[:2000]


def test_a_token_pasted_into_a_reason_is_not_kept(log: AuditLog) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    log.begin(act(why=f"she said {token} is hers"))

    assert token not in log.path.read_text()
    assert "she said [token] is hers" in log.path.read_text()


@spec("mcpx admin audited")
def test_a_full_disk_refuses_the_act_and_leaves_no_half_line(log: AuditLog) -> None:
    log.begin(act())
    size = log.path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))  # SIGXFSZ is ignored by Python
    try:
        with pytest.raises(AuditUnavailable):
            log.begin(act())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert log.path.stat().st_size == size
    log.begin(act())
    assert verify(log.path).lines == 2


def test_a_disk_that_does_not_confirm_refuses_the_act(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("gateway.audit.log.os.fsync", failing)

    with pytest.raises(AuditUnavailable, match="Input/output error"):
        log.begin(act())


def test_a_directory_that_is_not_there_refuses_the_act(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "missing" / "audit.jsonl", at_two_o_clock)

    with pytest.raises(AuditUnavailable):
        log.check()
    assert log.read(anything, 1).acts == []


def test_a_link_in_the_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(AuditUnavailable):
        AuditLog(tmp_path / "audit.jsonl", at_two_o_clock).begin(act())
    assert not (tmp_path / "elsewhere").exists()


def test_threads_that_write_at_once_make_one_chain(log: AuditLog) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: log.begin(act(f"agent-{number}")), range(40)))

    assert verify(log.path).lines == 40
    assert verify(log.path).is_intact


def write_twenty(path: Path) -> None:
    log = AuditLog(path, at_two_o_clock)
    for _ in range(20):
        log.begin(act())


def test_worker_processes_that_write_at_once_make_one_chain(log: AuditLog) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_twenty, args=(log.path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)

    assert [worker.exitcode for worker in workers] == [0, 0]
    assert verify(log.path).lines == 40
    assert verify(log.path).is_intact


def test_the_command_says_whether_a_file_is_intact(log: AuditLog) -> None:
    log.begin(act())
    log.begin(act())
    out, err = io.StringIO(), io.StringIO()
    assert main(["verify", str(log.path)], out, err) == 0
    assert "2 lines, intact, head " in out.getvalue()

    log.path.write_bytes(log.path.read_bytes().replace(b"ann", b"bob", 1))

    assert main(["verify", str(log.path)], out, err) == 1
    assert "broken at line 2" in err.getvalue()
    assert main(["verify", "/nowhere"], out, err) == 1
    assert main([], out, err) == 2
