"""A bridged server's processes: nothing of them is left, whatever ends them."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from participants.bridge.child import Child, ChildCommand, running
from participants.bridge.environment import child_environment
from participants.bridge.errors import ChildNotStarted
from participants.bridge.keeper import TO_READ_END_OF_INPUT_S
from participants.bridge.session import ChildSession
from tests.participants.bridge_processes import is_alive, killed_afterwards, wait_all_gone

SERVER = str(Path(__file__).with_name("bridge_servers.py"))
SOON = 30
ME = {"name": "test", "version": "0"}


def command(behaviour: str = "", **extra: str) -> ChildCommand:
    return ChildCommand((sys.executable, SERVER, behaviour), child_environment(os.environ, extra=extra))


async def family_of(child: Child) -> list[int]:
    """Meet the server and return the pids of it and all that it started, the keeper included."""
    async with ChildSession.over(child, client=ME, heard=lambda method, params: None) as session:
        await session.meet()
        result = await session.call("tools/call", {"name": "pids"}, lambda method, params: None)
        pids: list[int] = json.loads(result["content"][0]["text"])
        return [child.pid, *pids]


async def test_a_server_that_reads_the_end_of_its_input_goes_by_itself() -> None:
    loop = asyncio.get_running_loop()
    async with running(command()) as child:
        pids = await family_of(child)
        began = loop.time()

    assert loop.time() - began < TO_READ_END_OF_INPUT_S
    assert child.status == 0
    assert not any(is_alive(pid) for pid in pids)


@pytest.mark.parametrize("behaviour", ["family", "stubborn"])
async def test_the_whole_tree_ends_even_what_ignores_sigterm_or_left_its_session(behaviour: str) -> None:
    async with asyncio.timeout(60), running(command(behaviour)) as child:
        pids = await family_of(child)
        assert len(pids) == 4
        assert all(is_alive(pid) for pid in pids)

    assert not any(is_alive(pid) for pid in pids)


async def test_a_tree_ends_when_its_server_ends_first() -> None:
    async with asyncio.timeout(60), running(command("family")) as child:
        pids = await family_of(child)
        os.kill(pids[1], signal.SIGKILL)
        await child.wait()

        assert child.status == 128 + signal.SIGKILL
        assert not any(is_alive(pid) for pid in pids)


async def test_a_cancelled_block_leaves_no_process() -> None:
    known: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    async def use() -> None:
        async with running(command("family")) as child:
            known.set_result(await family_of(child))
            await asyncio.Event().wait()

    async with asyncio.timeout(60):
        task = asyncio.create_task(use())
        pids = await known
        while not task.done():  # whoever cancels again and again does not get through
            task.cancel()
            await asyncio.wait({task}, timeout=0.05)

    assert task.cancelled()
    assert not any(is_alive(pid) for pid in pids)


async def test_an_anyio_scope_that_is_cancelled_leaves_no_process() -> None:
    pids: list[int] = []
    with anyio.CancelScope() as scope:
        async with running(command("family")) as child:
            pids = await family_of(child)
            scope.cancel()
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert len(pids) == 4
    assert not any(is_alive(pid) for pid in pids)


BRIDGE_THAT_IS_KILLED = """
    import asyncio, json, structlog, sys
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    from tests.participants.test_bridge_process import command, family_of
    from participants.bridge.child import running

    async def main():
        async with running(command("family")) as child:
            print(json.dumps(await family_of(child)), flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
"""


async def test_a_bridge_that_is_killed_leaves_no_process() -> None:
    bridge = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(BRIDGE_THAT_IS_KILLED), stdout=subprocess.PIPE
    )
    assert bridge.stdout is not None
    try:
        async with asyncio.timeout(SOON):
            pids: list[int] = json.loads(await bridge.stdout.readline())
        assert all(is_alive(pid) for pid in pids)
    finally:
        bridge.kill()
        await bridge.wait()

    with killed_afterwards(pids):
        async with asyncio.timeout(SOON):
            await wait_all_gone(pids)


async def test_a_keeper_that_is_killed_takes_its_server_along() -> None:
    async with asyncio.timeout(60), running(command()) as child:
        pids = await family_of(child)
        os.kill(pids[0], signal.SIGKILL)

        await wait_all_gone(pids)


async def test_the_server_sees_only_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("MCPX_TOKEN", "s3cret")
    async with (
        running(command(GIVEN="yes")) as child,
        ChildSession.over(child, client=ME, heard=lambda method, params: None) as session,
    ):
        await session.meet()
        result = await session.call("tools/call", {"name": "env"}, lambda method, params: None)

    seen: dict[str, str] = json.loads(result["content"][0]["text"])
    assert seen["GIVEN"] == "yes"
    assert "PATH" in seen
    assert "s3cret" not in json.dumps(seen)
    assert not any(name.startswith("MCPX_") for name in seen)


async def test_a_command_that_does_not_exist_is_said_so() -> None:
    with pytest.raises(ChildNotStarted, match="no such command"):
        async with running(
            ChildCommand(("mcp-server-of-nobody", "--password=x"), child_environment(os.environ))
        ):
            raise AssertionError("it started")


async def test_a_command_with_a_slash_in_it_is_looked_for_where_it_runs(tmp_path: Path) -> None:
    (tmp_path / "server").symlink_to(sys.executable)
    relative = ChildCommand(("./server", SERVER), child_environment(os.environ), tmp_path)

    async with asyncio.timeout(SOON), running(relative) as child:
        assert len(await family_of(child)) == 2


async def test_what_a_server_says_last_is_kept_for_whoever_looks_for_the_reason() -> None:
    async with running(command("stops")) as child:
        await child.wait()

    assert child.status == 4
    assert list(child.last_words) == ["I cannot find my configuration"]


async def test_lines_that_are_no_messages_are_passed_over() -> None:
    async with (
        running(command()) as child,
        ChildSession.over(child, client=ME, heard=lambda method, params: None) as session,
    ):
        facts = await session.meet()

    assert facts.name == "test server"
    assert facts.version == "2025-06-18"


async def test_a_process_with_thousands_of_open_files_bridges_too() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        for _ in range(1100):  # `select` stops at 1023
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        async with asyncio.timeout(60), running(command()) as child:
            await family_of(child)

        assert child.status == 0
