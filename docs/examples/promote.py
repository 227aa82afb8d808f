"""Promote a participant over REST: from now on it may call one tool by itself."""

import asyncio
import os

import httpx


async def promote(url: str, admin_token: str, participant: str, pattern: str, reason: str) -> list[str]:
    """Return what the participant may do now; its open connections know it already."""
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {admin_token}"}) as http:
        answer = await http.post(
            f"/admin/participants/{participant}/capabilities",
            json={"add": [pattern], "remove": [], "reason": reason, "ttl_s": 7 * 24 * 3600},
        )
        answer.raise_for_status()
        capabilities: list[str] = answer.json()["newCapabilities"]
        return capabilities


if __name__ == "__main__":
    url, token = os.environ["MCPX_URL"], os.environ["MCPX_ADMIN_TOKEN"]
    print(asyncio.run(promote(url, token, "agent", "mcp/request:tools/call:shout", "40 of 40 approved")))
