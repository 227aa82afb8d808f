"""What most tests of the page begin with: somebody who has joined, and a proposal that waits."""

from __future__ import annotations

from typing import Final

from playwright.async_api import Page, expect

from tests.browser.scripted_gateway import JsonObject, ScriptedGateway, Seat

WRITE: Final = {"path": "notes.txt", "content": "hello\n"}
"""Arguments of the call that is proposed."""


async def joined(page: Page, script: ScriptedGateway) -> Seat:
    """Open an invite link as ann, and return her connection."""
    await page.goto(script.link())
    seat = await script.next_seat()
    await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "online")
    return seat


async def proposed(page: Page, script: ScriptedGateway) -> Seat:
    """Join, and let agent-1 propose `p`."""
    seat = await joined(page, script)
    await seat.say(script.proposal("p", WRITE))
    await expect(page.get_by_test_id("proposal-p")).to_have_attribute("data-state", "pending")
    return seat


def fulfillment(script: ScriptedGateway, by: str, arguments: JsonObject) -> str:
    """Return somebody's request that carries out `p`."""
    params = {"name": "write_file", "arguments": arguments}
    call = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}
    kind = "mcp/request:tools/call:write_file"
    return script.envelope(by, kind, call, id=f"{by}-fulfills", to=["files"], correlation_id="p")
