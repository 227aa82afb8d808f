"""
The main job on one machine: a gateway, bridged MCP servers, and an agent that may only propose.

The gateway is a child process, as it would be anywhere; servers and agent take
part in it over the wire. Whatever ends this, nothing of it is left running.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import httpx

from participants.bridge import Bridge, ChildCommand, child_environment
from participants.cli.addresses import GatewayAddress, invite_link
from participants.cli.console import say
from participants.cli.demo_agent import DemoAgent
from participants.cli.demos import Demo
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
    servers: Mapping[str, Sequence[str]]
    """The command lines of the MCP servers, by the names under which they take part."""
    workspace: Path
    errand: Errand | None = None
    """What the agent wants; `None`: there is no agent."""
    demo: Demo | None = None
    """Another room's demonstration, with a participant of its own."""


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
    """Starts everything at once, watches it, and ends all of it."""

    def __init__(self, cast: Cast, keys: LocalKeys, state_dir: Path, port: int) -> None:
        self._cast, self._keys, self._state_dir = cast, keys, state_dir
        self._address = GatewayAddress("http", f"127.0.0.1:{port}")
        self._is_promoted = False
        self._gateway_ready, self._complete = asyncio.Event(), asyncio.Event()
        self._absent = {*cast.servers}
        if cast.errand is not None:
            self._absent.add(cast.agent)
        if cast.demo is not None:
            self._absent.add(cast.demo.name)

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

        async def open_up() -> NoReturn:
            await self._wait_ready()
            self._gateway_ready.set()
            await self._complete.wait()
            opening(self._scene(gateway))
            await _forever()

        # All at once: each start costs a second of a processor, and most of them wait for the disk.
        work: list[Coroutine[Any, Any, None]] = [open_up()]
        work += [self._bridge(name, command) for name, command in cast.servers.items()]
        if cast.errand is not None:
            work.append(self._take_part(cast.agent, self._act, profile="proposal-only"))
        if cast.demo is not None:
            work.append(self._take_part(cast.demo.name, self._demonstrate, cast.demo.capabilities))
        await until_first_ends(*work)

    async def _bridge(self, name: str, command: Sequence[str]) -> None:
        say(f"Starting {name}: {' '.join(command)}")
        bridge = Bridge(ChildCommand(tuple(command), child_environment(os.environ), self._cast.workspace))

        async def serve(me: Participant) -> None:
            async with bridge.serving(me), me:
                self._is_here(name)
                await me.wait_closed()

        async with _bridged(name, bridge):
            await self._take_part(name, serve, profile="server")

    async def _act(self, me: Participant) -> None:
        cast = self._cast
        assert cast.errand is not None
        # A demonstration agent asks one server, the first.
        server = next(iter(cast.servers))
        async with me:
            agent = DemoAgent(me, server, cast.errand, lambda text: say((f"{me.id}: {text}", "dim")))
            self._is_promoted = agent.may_act
            self._is_here(me.id)
            await agent.run()

    async def _demonstrate(self, me: Participant) -> None:
        demo = self._cast.demo
        assert demo is not None
        await demo.play(me, lambda: self._is_here(me.id))

    def _is_here(self, name: str) -> None:
        """Tell how far the start is, and that it is over once nobody is absent."""
        if name not in self._absent:
            return
        self._absent.remove(name)
        waiting = f", waiting for {', '.join(sorted(self._absent))}" if self._absent else ""
        say((f"{name} takes part{waiting}", "dim"))
        if not self._absent:
            self._complete.set()

    async def _take_part(
        self, name: str, act: Act, capabilities: Sequence[str] = (), *, profile: str | None = None
    ) -> None:
        """Take part as `name` until cancelled, with a new token when one has run out."""
        await self._gateway_ready.wait()
        topic = self._cast.topic
        has_been_in = False
        while True:
            token = self._keys.issue(
                name, [topic], capabilities=capabilities or None, profile=profile, ttl_s=MAX_LIFETIME_S
            )
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
async def _bridged(name: str, bridge: Bridge) -> AsyncGenerator[None]:
    """Run the bridge's server for the block; only its start has a time limit."""
    running = bridge.running()
    try:
        async with asyncio.timeout(SERVER_READY_WITHIN_S):
            await running.__aenter__()
    except TimeoutError:
        raise CommandError(
            f"The MCP server {name} was not ready within {SERVER_READY_WITHIN_S:g} s"
        ) from None
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
