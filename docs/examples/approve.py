"""Decide on proposals by a program: one tool is approved, everything else is rejected with a reason."""

import asyncio
import os
from collections.abc import Collection

from participants import Participant, ProposalSeen


async def decide(url: str, topic: str, token: str, harmless: Collection[str]) -> None:
    """Approve calls of the tools in `harmless`, for as long as the connection lasts."""
    async with Participant.connect(url, topic, token) as me:
        async for event in me.events():
            if not isinstance(event, ProposalSeen) or event.proposal.mine:
                continue
            proposal = event.proposal
            if proposal.params.get("name") in harmless:
                await me.fulfill(proposal)
            else:
                await me.reject(proposal, reason="policy", message="Only harmless tools are approved here")


if __name__ == "__main__":
    asyncio.run(decide(os.environ["MCPX_URL"], os.environ["MCPX_TOPIC"], os.environ["MCPX_TOKEN"], {"shout"}))
