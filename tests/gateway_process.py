"""A real gateway for tests: `python -m gateway` on a free port, with its own state, ended by its own pid."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx

from capabilities import Key, issue_token
from tests.redis_server import free_port

ROOT: Final = Path(__file__).parents[1]
ISSUER: Final = "mcpx"
AUDIENCE: Final = "mcpx-gateway"
SECRET: Final = secrets.token_hex(32)
"""Shared by every gateway of a test run, so that a token opens each node."""

READY_WITHIN_S: Final = 60.0
ENDED_WITHIN_S: Final = 60.0
_BETWEEN_PROBES_S: Final = 0.03


def bare_environment() -> dict[str, str]:
    """Return this process' environment without anybody's `MCPX_*`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MCPX_")}


class GatewayProcess:
    """
    One gateway process: where it listens, tokens for it, and ways to end it.

    It keeps its port and its state directory over `terminate` or `kill` and `start`.
    """

    def __init__(self, arguments: Sequence[str], directory: Path, env: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self.http_url = f"http://127.0.0.1:{self.port}"
        self.state_dir = directory / "state"
        self.log_path = directory / "gateway.log"
        """Standard output and error, over every start."""
        self._arguments = ("--host", "127.0.0.1", "--port", str(self.port), *arguments)
        self._env = {
            **bare_environment(),
            "MCPX_JWT_SECRET": SECRET,
            "MCPX_STATE_DIR": str(self.state_dir),
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The running gateway's process id."""
        return self._running.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the gateway is not running"
        return self._process

    async def start(self) -> None:
        """
        Start the gateway and return when `/readyz` says yes.

        Raises:
            RuntimeError: it ended, or was not ready in time; the text has the end of its log.
        """
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway",
                *self._arguments,
                cwd=ROOT,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self.wait_ready()
        except (TimeoutError, RuntimeError) as error:
            await self.kill()
            raise RuntimeError(f"the gateway did not get ready: {error}\n{self.log_text()[-4000:]}") from None

    async def wait_ready(self) -> None:
        """
        Return when `/readyz` says yes; the caller bounds the wait.

        Another process has no event to wait for, so this asks again and again.

        Raises:
            RuntimeError: the process ended.
        """
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            while True:
                if self._running.returncode is not None:
                    raise RuntimeError(f"it ended with exit status {self._running.returncode}")
                with suppress(httpx.TransportError):
                    if (await http.get(f"{self.http_url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(_BETWEEN_PROBES_S)

    def token(
        self,
        participant: str,
        *,
        topics: Sequence[str] = ("*",),
        capabilities: Sequence[str] | None = None,
        profile: str | None = None,
        ttl_s: int = 3600,
        jti: str | None = None,
        issued_at: float | None = None,
        roles: Sequence[str] = (),
    ) -> str:
        """Issue a participant's token; without capabilities and profile it is the profile `full`."""
        if capabilities is None and profile is None:
            profile = "full"
        return self._issue(
            participant, topics, capabilities, profile, ttl_s, jti, issued_at, roles, admin=False
        )

    def admin_token(
        self,
        admin: str = "admin",
        *,
        topics: Sequence[str] = ("*",),
        capabilities: Sequence[str] = ("mcp/*", "chat"),
        ttl_s: int = 3600,
    ) -> str:
        """Issue an admin's token; `capabilities` are the most that it may hand out."""
        return self._issue(admin, topics, capabilities, None, ttl_s, None, None, (), admin=True)

    def _issue(
        self,
        subject: str,
        topics: Sequence[str],
        capabilities: Sequence[str] | None,
        profile: str | None,
        ttl_s: int,
        jti: str | None,
        issued_at: float | None,
        roles: Sequence[str],
        *,
        admin: bool,
    ) -> str:
        return issue_token(
            Key(None, "HS256", SECRET.encode()),
            issuer=ISSUER,
            audience=AUDIENCE,
            subject=subject,
            topics=topics,
            capabilities=capabilities,
            profile=profile,
            ttl_s=ttl_s,
            now=time.time() if issued_at is None else issued_at,
            jti=jti or uuid4().hex,
            admin=admin,
            roles=roles,
        )

    async def post(self, path: str, body: Mapping[str, Any], *, token: str | None = None) -> httpx.Response:
        """Make an admin's call, by an admin of everything if no token is given."""
        headers = {"Authorization": f"Bearer {token or self.admin_token()}"}
        async with httpx.AsyncClient(
            base_url=self.http_url, headers=headers, trust_env=False, timeout=20
        ) as http:
            return await http.post(path, json=body)

    def log_text(self) -> str:
        """Everything that the gateway wrote so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_events(self) -> list[dict[str, Any]]:
        """The log lines that are JSON objects, in order."""
        events = []
        for line in self.log_text().splitlines():
            with suppress(json.JSONDecodeError):
                value = json.loads(line)
                if isinstance(value, dict):
                    events.append(value)
        return events

    @property
    def resident_bytes(self) -> int:
        """The memory that it holds."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) << 10

    @contextmanager
    def largest_file(self, size: int) -> Iterator[None]:
        """Let it write no file beyond a size, as on a full disk."""
        before = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, before)

    def pause(self) -> None:
        """Stop it in its tracks: sockets stay open, nothing answers."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused gateway run on."""
        self._running.send_signal(signal.SIGCONT)

    async def terminate(self) -> int:
        """End it as an operator does, and return its exit status."""
        return await self._end(signal.SIGTERM)

    async def interrupt(self) -> int:
        """End it as Ctrl-C does, and return its exit status."""
        return await self._end(signal.SIGINT)

    async def kill(self) -> int:
        """End it without a word, as a crash does."""
        return await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(ProcessLookupError):
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
        try:
            async with asyncio.timeout(ENDED_WITHIN_S):
                return await process.wait()
        finally:
            # Workers share the group of the process that we started, and end with it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


@asynccontextmanager
async def running_gateway(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> AsyncIterator[GatewayProcess]:
    """
    Run `python -m gateway ARGUMENTS…` while the block runs.

    State and log live in `directory`, else in one that is removed afterwards.
    `env` adds settings; nothing else of the caller's `MCPX_*` gets in.

    Raises:
        RuntimeError: the gateway does not get ready.
    """
    with tempfile.TemporaryDirectory(prefix="mcpx-test-") as temporary:
        gateway = GatewayProcess(arguments, directory or Path(temporary), env or {})
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.kill()
