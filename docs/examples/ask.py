"""
Ask a participant for a tool call, whatever you may do yourself.

The same call is a request where your capabilities grant it, and else a proposal
that somebody approves, edits or rejects.
"""

import asyncio
import os
import sys
from typing import Any

from participants import Participant, ProposalExpired, ProposalRejected


async def ask(url: str, topic: str, token: str, target: str, tool: str, arguments: dict[str, Any]) -> str:
    """Return what came of it, in one line."""
    async with Participant.connect(url, topic, token) as me:
        try:
            outcome = await me.request(target, "tools/call", {"name": tool, "arguments": arguments})
        except ProposalRejected as rejected:
            return f"{rejected.by} said no ({rejected.reason}): {rejected.message}"
        except ProposalExpired:
            return "nobody decided in time"
        how = f"approved by {outcome.fulfilled_by}" if outcome.fulfilled_by else "allowed"
        return f"{how}{', edited' if outcome.edited else ''}: {outcome.result['content'][0]['text']}"


if __name__ == "__main__":
    target, tool, text = sys.argv[1:]
    url, topic, token = (os.environ[name] for name in ("MCPX_URL", "MCPX_TOPIC", "MCPX_TOKEN"))
    print(asyncio.run(ask(url, topic, token, target, tool, {"text": text})))
