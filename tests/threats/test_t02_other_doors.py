"""
T2: a token leaks through a door beside the gateway's: the router's HTTP, the metrics port, `mcpx join`.

Real processes, each with a token; strangers fail everywhere with good and bad ones. Then all that
anybody wrote or was answered is searched for every token of it.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from participants import Participant, RequestFailed
from tests.gateway_process import GatewayProcess, running_gateway
from tests.participants.cli.mcpx_process import mcpx_process
from tests.redis_server import free_port
from tests.threats.test_t02_token_leaks import spellings

TOPIC: Final = "doors"
SERVER: Final = Path(__file__).parents[1] / "faults" / "failing_server.py"


class Planted:
    """Every token in play, and everything that was written or answered."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self.tokens: dict[str, str] = {}
        self.written: dict[str, str] = {}

    def token(self, who: str, profile: str = "full", topic: str = TOPIC) -> str:
        self.tokens[who] = self._gateway.token(who, topics=[topic], profile=profile)
        return self.tokens[who]

    def environment(self, who: str, profile: str = "full") -> dict[str, str]:
        token = self.token(who, profile)
        return {"MCPX_URL": self._gateway.http_url, "MCPX_TOPIC": TOPIC, "MCPX_TOKEN": token}

    def note(self, where: str, text: str) -> None:
        self.written[where] = self.written.get(where, "") + text

    async def knock(self, where: str, http: httpx.AsyncClient, paths: tuple[str, ...]) -> None:
        """Show the tokens of people and strangers in every way, and keep what is answered."""
        body: dict[str, Any] = {"topic": TOPIC, "intent": "count things", "messages": [], "model": "none"}
        for token in (self.tokens[who] for who in ("ann", "broken", "elsewhere", "admin")):
            for headers in (
                {"Authorization": f"Bearer {token}"},
                {"Authorization": f"Basic {token}"},
                {"Authorization": f"Bearer {token}", "Host": "evil.example"},
                {"Cookie": f"token={token}"},
            ):
                for path in paths:
                    answers = [await http.post(f"{path}?token={token}", headers=headers, json=body)]
                    answers.append(await http.get(path, headers=headers))
                    for answer in answers:
                        self.note(where, f"{answer.status_code} {answer.headers} {answer.text}")

    def leaks(self) -> list[str]:
        return [
            f"the token of {who} in {where}"
            for where, text in self.written.items()
            for who, token in self.tokens.items()
            if any(spelling in text for spelling in spellings(token))
        ]


async def test_no_token_shown_at_another_door_is_written_down_anywhere(tmp_path: Path) -> None:
    metrics, rules = free_port(), tmp_path / "rules.json"
    env = {"MCPX_METRICS_PORT": str(metrics), "MCPX_LOG_LEVEL": "debug"}
    async with running_gateway(env=env) as gateway:
        planted = Planted(gateway)
        good = planted.token("ann")
        planted.tokens["broken"] = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB")
        planted.token("elsewhere", topic="else")
        planted.tokens["admin"] = gateway.admin_token("root")
        routing = ("router", "--encoder", "none", "--rules", str(rules), "--http-port", "0")
        bridging = ("bridge", "--", sys.executable, str(SERVER), str(tmp_path / "mute"))
        async with (
            mcpx_process(*routing, env=planted.environment("router")) as router,
            mcpx_process(*bridging, env=planted.environment("files", "server")) as bridge,
            mcpx_process("join", "--json", env=planted.environment("typist")) as join,
        ):
            told = await router.read_error_until("http://")
            await join.event("welcome")
            async with httpx.AsyncClient(base_url=told.strip(), trust_env=False, timeout=30) as http:
                await planted.knock("the router's answers", http, ("/v2/execute", "/v2/stream"))
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{metrics}", trust_env=False, timeout=30
            ) as http:
                await planted.knock("the metrics port's answers", http, ("/metrics", "/x"))
                planted.note("metrics", (await http.get("/metrics")).text)
            async with Participant.connect(gateway.url, TOPIC, good) as ann:
                rule = {"effect": "deny", "proposer": "*", "target": "files", "tool": "count"}
                await ann.request(
                    "router", "tools/call", {"name": "rules_add", "arguments": rule}, timeout=20
                )
                with pytest.raises(RequestFailed) as refused:
                    await ann.request("files", "no/such/method", {}, timeout=20)
                planted.note("the bridge's answers", str(refused.value))
            await join.say(chat="done", tag=1)
            await join.event("done", tag=1)
            for name, process in {"router": router, "bridge": bridge, "join": join}.items():
                process.signal(signal.SIGTERM)
                ended = await process.end()
                planted.note(f"what {name} wrote", f"{name}: {ended.out}{ended.err}")
        planted.note("the gateway's log", gateway.log_text())
        planted.note("the rules", rules.read_text())

    assert planted.leaks() == []
    # Each place has something in it, else nothing would be proved.
    assert all(planted.written.values())
    assert '"status":401' in planted.written["the router's answers"].replace(" ", "")
    assert "200" in planted.written["the metrics port's answers"]
    planted.note("a place of its own", f"GET /?token={good}")
    assert "the token of ann in a place of its own" in planted.leaks(), "what leaks is found"
