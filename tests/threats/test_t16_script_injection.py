"""T16: a script in what somebody says approves as the person who reads it: through the real gateway."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.async_api import Browser, expect

from tests.browser.hostile_texts import HOSTILE
from tests.conformance.topic_under_test import Seat, TopicUnderTest, listening
from tests.gateway_process import GatewayProcess, running_gateway

FOREIGN: Final = "script, img, iframe, a, style, object, embed, svg, form, [style], [onerror], [onload]"


async def say_everything(mallory: Seat, text: str, number: int) -> None:
    """Put the text into every field that a participant fills and the gateway relays."""
    ascii_text = "".join(c for c in text if c.isascii() and c.isprintable())[:100] or "x"
    await mallory.send("chat", {"text": text, "format": ("plain", "markdown")[number % 2]})
    params = {
        "name": text,
        "arguments": {text or "x": text, "list": [text, {"deep": text}]},
        "_meta": {"m": text},
    }
    proposal = {
        "method": "tools/call",
        "params": params,
        "expiresAt": None,
        "reason": text,
        text or "y": text,
    }
    id = f"{ascii_text}-{number}"
    await mallory.send("mcp/proposal:tools/call", proposal, id=id, to=["files"])
    ending = {"reason": ("timeout", text)[number % 2], "message": text}
    await mallory.send("mcp/withdraw:tools/call", ending, correlation_id=id)
    call = {
        "jsonrpc": "2.0",
        "id": text,
        "method": "resources/read",
        "params": {"uri": text, text or "z": text},
    }
    await mallory.send("mcp/request:resources/read", call, to=["files"], id=f"r{id}")
    result = {"content": [{"type": "text", "text": text}, {"type": "image", "data": text, "mimeType": text}]}
    await mallory.send(
        "mcp/response:resources/read",
        {"jsonrpc": "2.0", "id": text, "result": result},
        to=["mallory"],
        correlation_id=f"r{id}",
    )
    error = {"code": -1, "message": text, "data": {"d": text}}
    await mallory.send(
        "mcp/response:tools/call",
        {"jsonrpc": "2.0", "id": 1, "error": error},
        to=["ann"],
        correlation_id=ascii_text,
    )
    for method in ("progress", "message"):
        note = {
            "jsonrpc": "2.0",
            "method": f"notifications/{method}",
            "params": {"message": text, "data": text},
        }
        await mallory.send(f"mcp/request:notifications/{method}", note, correlation_id=f"r{id}")
    await mallory.send(
        f"x-{number}/thing", {"text": text, "meta": {"m": text}}, meta={"m": text}, ts_note=text
    )


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_a_hundred_hostile_texts_through_every_field_open_no_dialog_and_ask_for_nothing(
    chromium: Browser,
) -> None:
    assert len(set(HOSTILE)) >= 100
    async with running_gateway(env={"MCPX_RATE_LIMIT": "100000:100000"}) as gateway:
        happened, sent = await _session(chromium, gateway)

    assert happened == []
    assert sent == [], "nobody clicked, so nothing was approved"


async def _session(chromium: Browser, gateway: GatewayProcess) -> tuple[list[str], list[str]]:
    happened: list[str] = []
    sent: list[str] = []
    context = await chromium.new_context()
    page = await context.new_page()
    page.on("dialog", lambda dialog: happened.append(f"dialog {dialog.message}"))
    page.on("pageerror", lambda error: happened.append(f"error {error}"))
    page.on("popup", lambda popup: happened.append(f"popup {popup.url}"))
    page.on(
        "request",
        lambda r: happened.append(f"request {r.url}") if not r.url.startswith(gateway.http_url) else None,
    )
    page.on(
        "framenavigated",
        lambda f: happened.append(f"navigation {f.url}") if not f.url.startswith(gateway.http_url) else None,
    )
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    ops = TopicUnderTest(gateway)
    token = gateway.token("ann", topics=[ops.name], profile="full")
    await page.goto(f"{gateway.http_url}/#topic={ops.name}&token={token}")
    await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "online")
    kinds = [f"x-{number}/thing" for number in range(len(HOSTILE))]
    async with ops.join("mallory", "mcp/*", "chat", *kinds) as mallory, listening(mallory):
        for number, text in enumerate(HOSTILE):
            await say_everything(mallory, text, number)
        await mallory.send("chat", {"text": "the last of it"})
        await expect(page.locator(".chat-text", has_text="the last of it")).to_be_attached(timeout=60_000)
    await page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    await page.evaluate("for (const fold of document.querySelectorAll('[data-testid=unfold]')) fold.click()")
    assert await page.locator("[data-testid^=proposal-]").count() >= 100, "the texts were shown"
    shown = page.locator("[data-testid=timeline], [data-testid=queue], [data-testid=notice]")
    assert await shown.locator(FOREIGN).count() == 0
    await context.close()
    return happened, sent
