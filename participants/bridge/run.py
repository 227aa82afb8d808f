"""Run a bridge until somebody, or something, ends it: what `mcpx bridge -- COMMAND…` does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from participants.bridge.bridge import Bridge
from participants.bridge.child import ChildCommand
from participants.bridge.environment import child_environment
from participants.bridge.log import log
from participants.client import Participant
from participants.eras import ServerFacts

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_bridge(
    command: Sequence[str],
    url: str,
    topic: str,
    token: str,
    *,
    cwd: Path | None = None,
    pass_env: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    on_ready: Callable[[Participant, ServerFacts], None] | None = None,
) -> None:
    """
    Bring the MCP server that `command` starts into a topic, and keep it there.

    Returns on SIGINT, SIGTERM or SIGHUP; whatever ends it, no process of the
    command is left. The server sees a short list of variables
    (`child_environment`), those named in `pass_env`, and `env`: so the token
    stays out of it.

    Raises:
        ChildNotStarted: the command cannot be run.
        ChildNotMet: it is no MCP server.
        HandshakeRefused: the gateway does not let the token in.
        Closed: the connection ended for good.
    """
    child = ChildCommand(
        tuple(command), child_environment(os.environ, names=pass_env, extra=env), None if cwd is None else cwd
    )
    bridge = Bridge(child)
    with _told_to_end() as ending:
        staying = asyncio.create_task(_stay(bridge, url, topic, token, on_ready), name="bridge.stay")
        told = asyncio.create_task(ending.wait())
        try:
            await asyncio.wait({staying, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (staying, told):
                task.cancel()
            await asyncio.wait({staying, told})
        if not staying.cancelled():
            staying.result()


async def _stay(
    bridge: Bridge,
    url: str,
    topic: str,
    token: str,
    on_ready: Callable[[Participant, ServerFacts], None] | None,
) -> None:
    # The server first: who joins the topic can be asked at once.
    me = Participant.connect(url, topic, token)
    async with bridge.running() as facts, bridge.serving(me), me:
        log.info("bridge.joined", participant=me.id, topic=topic, server=facts.name, version=facts.version)
        if on_ready is not None:
            on_ready(me, facts)
        raise await me.wait_closed()


@contextmanager
def _told_to_end() -> Generator[asyncio.Event]:
    """An event that the signals which end a program set; afterwards they mean what they meant before."""
    loop, ending = asyncio.get_running_loop(), asyncio.Event()
    # What is ignored stays so: `nohup` means it.
    heeded = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, ending.set)
    try:
        yield ending
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
