"""What others say is shown as text: nothing runs, nothing is loaded, nothing hides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.hostile_texts import HOSTILE
from tests.browser.scripted_gateway import PROPOSER, TARGET, ScriptedGateway, Seat
from tests.requirements import spec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


class Watch:
    """What must not happen on a page, as it happens."""

    def __init__(self, page: Page, origin: str) -> None:
        self.happened: list[str] = []
        page.on("dialog", lambda dialog: self.happened.append(f"dialog {dialog.message}"))
        page.on("pageerror", lambda error: self.happened.append(f"error {error}"))
        page.on("popup", lambda popup: self.happened.append(f"popup {popup.url}"))
        page.on("framenavigated", lambda frame: self._check(frame.url, origin, "navigation"))
        page.on("request", lambda request: self._check(request.url, origin, "request"))
        page.on("console", lambda message: self._hear(message.type, message.text))

    def _check(self, url: str, origin: str, what: str) -> None:
        if not url.startswith(origin):
            self.happened.append(f"{what} {url}")

    def _hear(self, kind: str, text: str) -> None:
        # Chromium says here when its policy had to stop something: there should have been nothing to stop.
        if kind in {"error", "warning"}:
            self.happened.append(f"console {text}")


@pytest_asyncio.fixture(loop_scope="session")
async def watch(page: Page, script: ScriptedGateway) -> AsyncIterator[Watch]:
    watch = Watch(page, script.url)
    yield watch
    assert watch.happened == []


async def test_there_are_enough_hostile_texts() -> None:
    assert len(set(HOSTILE)) >= 100


@spec("mcpx main job page is inert")
async def test_hostile_texts_in_chat_are_shown_as_text(
    page: Page, script: ScriptedGateway, watch: Watch
) -> None:
    await page.goto(script.link())
    seat = await script.next_seat()
    for number, text in enumerate(HOSTILE):
        await seat.say(
            script.envelope("bob", "chat", {"text": text, "format": ("plain", "markdown")[number % 2]})
        )
    await _settled(page, script, seat)

    shown = await page.get_by_test_id("chat").locator(".chat-text").all_inner_texts()
    assert len(shown) == len(HOSTILE) + 1
    assert shown[0] == HOSTILE[0]
    assert (
        await page.get_by_test_id("timeline")
        .locator("script, img, iframe, a, style, object, svg, [style]")
        .count()
        == 0
    )


@spec("mcpx main job page is inert")
async def test_hostile_texts_in_proposals_and_results_are_shown_as_text(
    page: Page, script: ScriptedGateway, watch: Watch
) -> None:
    await page.goto(script.link())
    seat = await script.next_seat()
    for number, text in enumerate(HOSTILE):
        id = f"p{number}"
        params = {"name": text, "arguments": {text: text, "list": [text, {text: text}]}, text or "x": text}
        proposal = {"method": "tools/call", "params": params, "expiresAt": None}
        await seat.say(script.envelope("agent-1", "mcp/proposal:tools/call", proposal, id=id, to=["files"]))
        await _end(script, seat, number, id, text, params)
    await _settled(page, script, seat)

    assert await page.locator("[data-testid^=proposal-]").count() == len(HOSTILE)
    await page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    await page.evaluate("for (const fold of document.querySelectorAll('[data-testid=unfold]')) fold.click()")
    await _settled(page, script, seat)
    foreign = page.locator("[data-testid=timeline], [data-testid=queue], [data-testid=notice]").locator(
        "script, img, iframe, a, style, object, embed, svg, [style], [onerror], [onload]"
    )
    assert await foreign.count() == 0


async def _end(script: ScriptedGateway, seat: Seat, number: int, id: str, text: str, params: object) -> None:
    """Bring each proposal to one of five ends, each with the text in it."""
    ending = number % 5
    if ending == 0:
        return
    if ending == 1:
        await seat.say(
            script.envelope(
                "ann", "mcp/reject:tools/call", {"reason": "denied", "message": text}, correlation_id=id
            )
        )
        return
    if ending == 2:
        withdraw = {"reason": "timeout", "message": text}
        await seat.say(script.envelope("agent-1", "mcp/withdraw:tools/call", withdraw, correlation_id=id))
        return
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    request = f"r{number}"
    await seat.say(
        script.envelope("ann", "mcp/request:tools/call", call, id=request, to=["files"], correlation_id=id)
    )
    for method, its in (
        ("progress", {"progress": 1, "total": 2, "message": text}),
        ("message", {"level": "info", "data": {"said": text}}),
        ("message", {"level": "info", "data": text}),
    ):
        note = {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": its}
        kind = f"mcp/request:notifications/{method}"
        await seat.say(script.envelope("files", kind, note, to=["ann"], correlation_id=request))
    outcome: dict[str, object] = (
        {"error": {"code": -32000, "message": text, "data": {text: text}}}
        if ending == 3
        else {
            "result": {
                "content": [
                    {"type": "text", "text": text},
                    {"type": "image", "data": text, "mimeType": text},
                    {"type": "resource_link", "uri": text, "name": text},
                ],
                "structuredContent": {text: text},
                "isError": number % 2 == 0,
                "_meta": {"more": text},
            }
        }
    )
    answer = {"jsonrpc": "2.0", "id": 1, **outcome}
    await seat.say(
        script.envelope(
            "files", "mcp/response:tools/call", answer, to=["ann", "agent-1"], correlation_id=request
        )
    )


@spec("mcpx main job page is inert")
async def test_hostile_texts_elsewhere_are_shown_as_text(
    page: Page, script: ScriptedGateway, watch: Watch
) -> None:
    await page.goto(script.link())
    patterns = [text for text in HOSTILE if text]
    seat = await script.next_seat(others=(PROPOSER, TARGET, {"id": "eve", "capabilities": patterns}))
    for number, text in enumerate(HOSTILE):
        error = {"error": text, "message": text}
        await seat.say(script.envelope("system:gateway", "system/error", error, to=["ann"]))
        await seat.say(script.envelope("eve", "x-acme/thing", {"text": text}))
        # Refused, and said so: a sender, a method and a tool that are none.
        await seat.say(
            script.envelope("eve", "mcp/request:tools/call:x", {"jsonrpc": "2.0", "id": 1, "method": text})
        )
        await seat.say(
            json.dumps({"protocol": text, "id": f"x{number}", "from": text, "kind": text, "payload": {}})
        )
        request = {"jsonrpc": "2.0", "id": number, "method": "resources/read", "params": {"uri": text}}
        await seat.say(script.envelope("eve", "mcp/request:resources/read", request, to=["files"]))
    await page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    await _settled(page, script, seat)


@spec("mcpx main job page is inert")
async def test_a_hostile_refusal_is_shown_as_text(page: Page, script: ScriptedGateway, watch: Watch) -> None:
    script.refusal = (403, {"title": HOSTILE[0], "detail": "<img src=x onerror=alert(1)>"})

    await page.goto(script.link())

    await expect(page.get_by_test_id("join-problem")).to_contain_text(HOSTILE[0])
    # The refused handshake itself is the one thing that the console tells.
    assert all("/ws" in line or "403" in line for line in watch.happened)
    watch.happened.clear()


@spec("mcpx main job page is inert")
async def test_what_is_edited_is_edited_as_text(page: Page, script: ScriptedGateway, watch: Watch) -> None:
    hostile = "</textarea><script>alert(1)</script>\u202etxt"
    await page.goto(script.link())
    seat = await script.next_seat()
    await seat.say(script.proposal("p", {"path": hostile}))
    await page.get_by_test_id("edit").click()

    written = await page.get_by_test_id("edit-params").input_value()

    assert "\\u202e" in written, "an editor shows no hidden characters, so it has escapes"
    assert json.loads(written)["arguments"]["path"] == hostile


async def test_hidden_characters_are_drawn(page: Page, script: ScriptedGateway, watch: Watch) -> None:
    await page.goto(script.link())
    seat = await script.next_seat()
    await seat.say(script.proposal("p", {"path": "invoice\u202efdp.exe"}))

    await expect(page.get_by_test_id("proposal-p")).to_contain_text("invoice⟨U+202E⟩fdp.exe")


async def _settled(page: Page, script: ScriptedGateway, seat: Seat) -> None:
    """Wait until the page has shown all that was said before."""
    marker = f"marker {uuid4()}"
    await seat.say(script.envelope("agent-1", "chat", {"text": marker}))
    await expect(page.locator(".chat-text", has_text=marker)).to_be_attached(timeout=30_000)
