"""An MCP server for tests that does what no real one should, run as `python bridge_servers.py BEHAVIOUR`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


TOOLS = [
    {"name": "pids", "inputSchema": {"type": "object"}},
    {"name": "broken", "inputSchema": {"type": "object", "properties": {"a": {"type": "no such type"}}}},
    {"name": "env", "inputSchema": {"type": "object"}},
    {"name": "die", "inputSchema": {"type": "object"}},
    {"name": "hang", "inputSchema": {"type": "object"}},
    {"name": "big", "inputSchema": {"type": "object"}},
    {"name": "ask", "inputSchema": {"type": "object"}},
    {"name": "touch", "inputSchema": {"type": "object"}},
    {"name": "shout", "inputSchema": {"type": "object"}},
]


def call(id: Any, params: dict[str, Any], family: list[int]) -> None:
    name = params["name"]
    if name == "die":
        os._exit(3)
    if name == "hang":
        say({"method": "notifications/message", "params": {"level": "info", "data": "hanging"}})
        return
    if name == "pids":
        text = json.dumps([os.getpid(), *family])
    elif name == "env":
        text = json.dumps(dict(os.environ))
    elif name == "big":
        text = "x" * params["arguments"]["bytes"]
    elif name == "shout":
        # Fifty lines are logged of that, 600 kB as JSON: more than any pipe holds.
        sys.stderr.write(("\x01" * 2000 + "\n") * 100)
        sys.stderr.flush()
        text = "said"
    elif name == "touch":
        say({"method": "notifications/resources/updated", "params": {"uri": "test://thing"}})
        text = ""
    elif name == "ask":
        say({"method": "roots/list", "id": "mine"})
        answer = json.loads(sys.stdin.readline())
        text = json.dumps(answer)
    else:
        text = json.dumps(params)
    say({"id": id, "result": {"content": [{"type": "text", "text": text}], "unknown": {"kept": True}}})


def start_family() -> list[int]:
    """Processes that do not want to go: one ignores SIGTERM, one has a session of its own and no parent."""
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    deaf = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert deaf.stdout is not None
    deaf.stdout.readline()  # from here on it is deaf
    orphan = subprocess.run(
        ["setsid", "-f", "sh", "-c", "echo $$; exec sleep 600 >/dev/null 2>&1"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [deaf.pid, int(orphan.stdout)]


def main(behaviour: str) -> None:
    if behaviour == "silent":
        time.sleep(600)
    if behaviour == "stops":
        sys.stderr.write("I cannot find my configuration\n")
        sys.exit(4)
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.write("Welcome to the test server!\n")
    family = start_family() if behaviour in {"family", "stubborn"} else []
    for line in sys.stdin:
        message = json.loads(line)
        method, id = message.get("method"), message.get("id")
        if method == "notifications/cancelled":
            sys.stderr.write(f"cancelled {json.dumps(message['params']['requestId'])}\n")
            sys.stderr.flush()
        if id is None or method is None:
            continue
        if method == "initialize":
            result: dict[str, Any] = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {"listChanged": True}, "resources": {"subscribe": True}},
                "serverInfo": {"name": "test server", "version": "0"},
            }
            say({"id": id, "result": result})
        elif method == "tools/list":
            say({"id": id, "result": {"tools": TOOLS}})
        elif method == "tools/call":
            call(id, message["params"], family)
        elif method in {"resources/subscribe", "resources/unsubscribe"}:
            sys.stderr.write(f"{method}\n")
            sys.stderr.flush()
            say({"id": id, "result": {}})
        elif method == "fail":
            say({"id": id, "error": {"code": -32042, "message": "as it is", "data": {"list": [1, None]}}})
        else:
            say({"id": id, "error": {"code": -32601, "message": "Method not found"}})
    if behaviour == "stubborn":
        time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
