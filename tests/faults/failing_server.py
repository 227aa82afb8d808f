"""An MCP server over stdio that fails as it is asked to, run as `python failing_server.py MUTE_FILE`."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

TOOLS = ("count", "hang", "die", "babble")


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def call(id: Any, name: str) -> None:
    if name == "die":
        os._exit(3)
    if name == "babble":
        sys.stdout.write("this is no message\n[1, 2]\n")
        say({"id": "nobody asked", "result": {}})
        say({"id": id, "result": "junk", "error": 7})
        say({"method": "notifications/progress", "params": {"progressToken": [id]}})
    if name == "count":
        say({"id": id, "result": {"content": []}})


def main(mute: Path) -> None:
    """Serve until the input ends, but not before the file `mute` is gone."""
    while mute.exists():
        time.sleep(0.05)
    for line in sys.stdin:
        message = json.loads(line)
        match message.get("method"):
            case "initialize":
                facts = {"name": "failing", "version": "0"}
                result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": facts}
                say({"id": message["id"], "result": result})
            case "tools/list":
                tools = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
                say({"id": message["id"], "result": {"tools": tools}})
            case "tools/call":
                call(message["id"], message["params"]["name"])
            case _ if "id" in message:
                say({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
