"""Say what you want in plain words; a router in the topic finds the tool, and acts with your rights."""

import asyncio
import os
import sys

from participants import Participant


async def intend(url: str, topic: str, token: str, intent: str) -> str:
    """Return what the router did, or what it asks."""
    async with Participant.connect(url, topic, token) as me:
        call = {"name": "execute_intent", "arguments": {"intent": intent}}
        outcome = await me.request("router", "tools/call", call, timeout=360)
        told = outcome.result["structuredContent"]
        if "error" in told:
            return f"not now: {told['error']['message']}"
        said = [f"{step['tool']}: {step.get('result') or step['error']}" for step in told["steps"]]
        if told["route"]["question"]:
            said.append(told["route"]["question"])
        return "\n".join(said or [told["route"]["reason"]])


if __name__ == "__main__":
    url, topic, token = (os.environ[name] for name in ("MCPX_URL", "MCPX_TOPIC", "MCPX_TOKEN"))
    print(asyncio.run(intend(url, topic, token, " ".join(sys.argv[1:]))))
