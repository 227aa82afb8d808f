"""How a process listens: those who come together are let in together, and it lets go of all it listens by."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path

import uvicorn
import uvloop

from gateway.__main__ import _config
from gateway.serving import Server
from gateway.settings import Settings

PATIENCE_S = 30.0
CROWD = 32


class _Announced(Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


async def _let_in(config: uvicorn.Config) -> int:
    """Let a crowd in that waited already; return in how many rounds of the loop."""
    server = _Announced(config)
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await server.listens.wait()
            address = server.servers[0].sockets[0].getsockname()
            rounds = 0
            with ExitStack() as crowd:
                for _ in range(CROWD):  # the kernel takes them: nobody has been accepted yet
                    crowd.enter_context(socket.create_connection(address, timeout=PATIENCE_S))
                while len(server.server_state.connections) < CROWD:
                    await asyncio.sleep(0)
                    rounds += 1
    finally:
        server.should_exit = True
        async with asyncio.timeout(PATIENCE_S):
            await serving
    with socket.create_server(address):
        pass  # nothing listens there any more
    return rounds


def test_a_crowd_is_let_in_by_several_a_round(tmp_path: Path) -> None:
    settings = Settings.read({"MCPX_STATE_DIR": str(tmp_path), "MCPX_PORT": "0"}, {}).with_secret()
    config = _config(settings, lambda: settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rounds = runner.run(_let_in(config))

    assert CROWD / 8 <= rounds <= CROWD / 8 + 4
