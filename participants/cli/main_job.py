"""
The main job on one machine: a gateway, a bridged MCP server, an agent that may only propose.

The gateway is a child process, as it would be anywhere; server and agent take
part in it over the wire. Whatever ends this, nothing of it is left running.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import httpx

from participants.bridge import Bridge, ChildCommand, child_environment
from participants.cli.addresses import GatewayAddress, invite_link
from participants.cli.console import say
from participants.cli.demo_agent import DemoAgent
from participants.cli.errors import CommandError, ExitCode
from participants.cli.keys import MAX_LIFETIME_S, LocalKeys
from participants.cli.processes import ChildProcess
from participants.cli.tasks import until_first_ends
from participants.cli.workspace import Errand
from participants.client import Participant
from participants.errors import HandshakeRefused
from schemas import CloseCode

READY_WITHIN_S: Final = 30.0
SERVER_READY_WITHIN_S: Final = 180.0
"""Seconds; a first start may fetch a package."""
PERSON_TTL_S: Final = 12 * 3600.0
_BETWEEN_PROBES_S: Final = 0.05

_NOT_THE_GATEWAYS: Final = frozenset({"MCPX_TOKEN", "MCPX_ADMIN_TOKEN", "MCPX_URL", "MCPX_TOPIC"})


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part, and in what."""

    topic: str
    person: str
    agent: str
    server: str
    command: tuple[str, ...]
    """The MCP server's command line."""
    workspace: Path
    errand: Errand | None
    """What the agent wants; `None`: there is no agent."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a person needs to know once everything runs."""

    cast: Cast
    address: GatewayAddress
    link: str
    log: Path
    gateway_pid: int
    is_promoted: bool
    """Whether the agent may act by itself already, from an earlier run."""


Act = Callable[[Participant], Awaitable[None]]
"""Enters the topic, and returns once the connection has ended for good."""


class MainJob:
    """Starts everything in order, watches it, and ends all of it."""

    def __init__(self, cast: Cast, keys: LocalKeys, state_dir: Path, port: int) -> None:
        self._cast, self._keys, self._state_dir = cast, keys, state_dir
        self._address = GatewayAddress("http", f"127.0.0.1:{port}")
        self._is_promoted = False

    async def run(self, opening: Callable[[Scene], None]) -> None:
        """
        Play until cancelled; `opening` is called once everything runs.

        Raises:
            CommandError: something did not start, or ended by itself.
        """
        say(f"Starting the gateway at {self._address.http_url}")
        async with self._gateway() as gateway:
            await until_first_ends(self._watch(gateway), self._play(gateway, opening))

    async def _play(self, gateway: ChildProcess, opening: Callable[[Scene], None]) -> None:
        cast = self._cast
        say(f"Starting {cast.server}: {' '.join(cast.command)}")
        bridge = Bridge(ChildCommand(cast.command, child_environment(os.environ), cast.workspace))
        # The gateway boots meanwhile: two slow starts at the price of one.
        async with _bridged(bridge):
            await self._wait_ready()
            serving, acting = asyncio.Event(), asyncio.Event()

            async def serve(me: Participant) -> None:
                async with bridge.serving(me), me:
                    serving.set()
                    await me.wait_closed()

            async def act(me: Participant) -> None:
                assert cast.errand is not None
                async with me:
                    agent = DemoAgent(
                        me, cast.server, cast.errand, lambda text: say((f"{me.id}: {text}", "dim"))
                    )
                    self._is_promoted = agent.may_act
                    acting.set()
                    await agent.run()

            async def open_up() -> NoReturn:
                await serving.wait()
                if cast.errand is not None:
                    await acting.wait()
                opening(self._scene(gateway))
                await _forever()

            work = [self._take_part(cast.server, "server", serve), open_up()]
            if cast.errand is not None:
                work.append(self._take_part(cast.agent, "proposal-only", act))
            await until_first_ends(*work)

    async def _take_part(self, name: str, profile: str, act: Act) -> None:
        """Take part as `name` until cancelled, with a new token when one has run out."""
        topic = self._cast.topic
        has_been_in = False
        while True:
            token = self._keys.issue(name, [topic], profile=profile, ttl_s=MAX_LIFETIME_S)
            try:
                me = Participant.connect(self._address.websocket_url, topic, token)
                await act(me)
                has_been_in = True
                closed = await me.wait_closed()
                if closed.code == CloseCode.TOKEN_EXPIRED:
                    continue
                say((f"{name}: {closed}", "yellow"))
            except HandshakeRefused as refused:
                if not has_been_in:
                    raise
                say((f"{name}: {refused}", "yellow"))
            await _forever()

    def _scene(self, gateway: ChildProcess) -> Scene:
        cast = self._cast
        token = self._keys.issue(cast.person, [cast.topic], profile="full", ttl_s=PERSON_TTL_S)
        link = invite_link(self._address, cast.topic, token)
        return Scene(cast, self._address, link, gateway.log, gateway.pid, self._is_promoted)

    # The gateway

    @asynccontextmanager
    async def _gateway(self) -> AsyncGenerator[ChildProcess]:
        host, _, port = self._address.authority.rpartition(":")
        gateway = await ChildProcess.start(
            # -P: a file of that name in the working directory is not the gateway.
            [sys.executable, "-P", "-m", "gateway", "--host", host, "--port", port],
            env=gateway_environment(os.environ, self._state_dir),
            log=self._state_dir / "gateway.log",
        )
        try:
            yield gateway
        finally:
            await gateway.end()

    async def _watch(self, gateway: ChildProcess) -> None:
        status = await gateway.wait()
        raise CommandError(
            f"The gateway ended by itself (exit status {status})",
            why=gateway.last_words() or "It said nothing",
            do=f"Its log is {gateway.log}; `mcpx doctor` checks the usual causes",
            code=ExitCode.UNREACHABLE,
        )

    async def _wait_ready(self) -> None:
        """Return when `/readyz` says yes; another process has no event to wait for, so this asks and asks."""
        try:
            async with asyncio.timeout(READY_WITHIN_S), httpx.AsyncClient(trust_env=False) as http:
                while True:
                    try:
                        if (await http.get(f"{self._address.http_url}/readyz")).is_success:
                            return
                    except httpx.TransportError:
                        pass
                    await asyncio.sleep(_BETWEEN_PROBES_S)
        except TimeoutError:
            raise CommandError(
                f"The gateway was not ready within {READY_WITHIN_S:g} s",
                do=f"Look into {self._state_dir / 'gateway.log'}",
                code=ExitCode.UNREACHABLE,
            ) from None


def gateway_environment(env: Mapping[str, str], state_dir: Path) -> dict[str, str]:
    """Return what the gateway sees: everything but the tokens of participants, and our state directory."""
    kept = {name: value for name, value in env.items() if name not in _NOT_THE_GATEWAYS}
    return kept | {"MCPX_STATE_DIR": str(state_dir), "PYTHONUNBUFFERED": "1"}


@asynccontextmanager
async def _bridged(bridge: Bridge) -> AsyncGenerator[None]:
    """Run the bridge's server for the block; only its start has a time limit."""
    running = bridge.running()
    try:
        async with asyncio.timeout(SERVER_READY_WITHIN_S):
            await running.__aenter__()
    except TimeoutError:
        raise CommandError(f"The MCP server was not ready within {SERVER_READY_WITHIN_S:g} s") from None
    try:
        yield
    except BaseException as error:
        if not await running.__aexit__(type(error), error, error.__traceback__):
            raise
    else:
        await running.__aexit__(None, None, None)


async def _forever() -> NoReturn:
    """Wait for what never comes, and so for being cancelled."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable")
