"""What happens around a node: X12, X14 and X15."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from tests.faults.scale import Scale
from tests.faults.stage import Stage
from tests.faults.starting import Refusal, refused_start
from tests.faults.talk import PATIENCE_S, Outcome, talking
from tests.gateway_process import running_gateway

EX_USAGE: Final = 2
EX_CONFIG: Final = 78


async def x12_nothing_can_be_written(stage: Stage, scale: Scale) -> Outcome:
    """One node's disk is full, nobody reads the other's log: messages flow, and acts of admins do not."""
    async with AsyncExitStack() as stack:
        full, mute = stage.new_directory("full"), stage.new_directory("mute")
        (full / "gateway.log").symlink_to("/dev/full")
        os.mkfifo(mute / "gateway.log")
        reading = os.open(mute / "gateway.log", os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(_close_quietly, reading)
        starting = [
            stack.enter_async_context(running_gateway("--redis", stage.redis.url, directory=directory))
            for directory in (full, mute)
        ]
        nodes = await asyncio.gather(*starting)
        theirs = replace(stage, nodes=(nodes[0], nodes[1]))
        async with talking(theirs) as talk:
            target = talk.members[0]
            os.close(reading)
            body = {"add": ["mcp/request:tools/call"], "reason": "earned"}
            path = f"/admin/participants/{target.id}/capabilities?topic={target.topic}"
            with nodes[0].largest_file((nodes[0].state_dir / "audit.jsonl").stat().st_size):
                await talk.wait_flowing(PATIENCE_S)
                comer = talk.add(f"{target.topic}-comer", target.topic, 1)
                await comer.wait_in()

                refused = await theirs.admin(nodes[0], path, body)
                assert refused.status_code == 503, f"an act that cannot be written down: {refused.text}"
                assert refused.json()["type"].endswith("audit_unavailable"), refused.text
                assert (await theirs.admin(nodes[1], path, body)).status_code == 200, "its audit log is well"
                await talk.wait_flowing(PATIENCE_S)

            began = time.monotonic()
            assert (await theirs.admin(nodes[0], path, body)).status_code == 200
            took = time.monotonic() - began
            await talk.settle()
            outcome = talk.outcome("disk full (log and audit), log pipe closed", took, "admin 503, then 200")
    assert not outcome.codes, f"nobody had to go: {outcome}"
    return outcome


def _close_quietly(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return


async def x14_keys_do_not_come(stage: Stage, scale: Scale) -> Outcome:
    """Who keeps the keys hangs, fails, or answers junk: nobody is let in, and nobody waits for long."""
    answers: Sequence[tuple[str, _Answer]] = (
        ("hangs", _hang),
        ("trickles", _trickle),
        ("fails", _fail),
        ("answers junk", _junk),
        ("never ends", _flood),
    )

    async def started(name: str, answer: _Answer) -> str:
        async with _keys_kept_by(answer) as (url, asked):
            env = {"MCPX_JWT_SECRET": "", "MCPX_JWKS_URL": url}
            refusal = await refused_start(stage.new_directory("keys"), "--port", "0", env=env)
            waited = time.monotonic() - asked[0]
        _check(refusal, EX_CONFIG, "MCPX_JWKS_URL")
        assert waited < PATIENCE_S, f"{name}: it waited {waited:.1f} s"
        return f"{name} {waited:.1f} s"

    told = await asyncio.gather(*(started(*each) for each in answers))
    return Outcome("key issuer: refused to start", facts=", ".join(told))


_Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def _hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _trickle(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(60):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(1)


async def _fail(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")


async def _junk(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + bytes(range(200, 209)))


async def _flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()


@asynccontextmanager
async def _keys_kept_by(answer: _Answer) -> AsyncIterator[tuple[str, list[float]]]:
    """Give the address of an issuer who answers so, and when it was asked, by the monotonic clock."""
    answering: set[asyncio.Task[None]] = set()
    asked: list[float] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def serve() -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                asked.append(time.monotonic())
                await answer(writer)
                await writer.drain()
            except OSError:
                pass  # it has heard enough
            finally:
                writer.close()

        task = asyncio.create_task(serve())
        answering.add(task)
        task.add_done_callback(answering.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json", asked
    finally:
        server.close()
        for task in list(answering):
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


async def x15_bad_configuration(stage: Stage, scale: Scale) -> Outcome:
    """What cannot be right is refused by name, with its cause."""
    in_use = str(stage.nodes[0].port)
    redis = ("--redis", stage.redis.url)
    wrong: Sequence[tuple[tuple[str, ...], dict[str, str], int, str, str]] = (
        ((), {"MCPX_NO_SUCH_THING": "1"}, EX_CONFIG, "MCPX_NO_SUCH_THING", "no setting"),
        ((), {"MCPX_JWT_SECRET": "short"}, EX_CONFIG, "MCPX_JWT_SECRET", "at least 32 bytes"),
        ((), {"MCPX_ALLOWED_ORIGINS": "*"}, EX_CONFIG, "MCPX_ALLOWED_ORIGINS", "no origin"),
        (("--port", in_use), {}, EX_CONFIG, "MCPX_PORT", "in use"),
        (("--port", in_use, "--workers", "2", *redis), {}, EX_CONFIG, "MCPX_PORT", "in use"),
        (("--port", "ninety"), {}, EX_USAGE, "--port", "invalid int value"),
        (("--no-such-flag",), {}, EX_USAGE, "--no-such-flag", "unrecognized"),
    )
    starting = (refused_start(stage.new_directory("wrong"), *each[0], env=each[1]) for each in wrong)
    for refusal, (_, _, status, key, cause) in zip(await asyncio.gather(*starting), wrong, strict=True):
        _check(refusal, status, key, cause)
    return Outcome(
        f"{len(wrong)} bad configurations", facts="each named with its cause, exit 78 (2 for usage)"
    )


def _check(refusal: Refusal, status: int, *told: str) -> None:
    assert refusal.status == status, f"exit status {refusal.status}, not {status}: {refusal.said}"
    for text in told:
        assert text in refusal.said, f"it does not say {text!r}: {refusal.said}"
    assert "Traceback" not in refusal.said, refusal.said
