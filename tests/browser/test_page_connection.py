"""The page comes in, goes away and comes back: links, tokens, handshakes and losses, in Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_gateway import ScriptedGateway
from tests.browser.steps import WRITE, joined, proposed
from tests.requirements import spec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


# Coming in


@spec("mcpx main job invite fragment")
async def test_the_token_leaves_the_address_at_once_and_is_sent_in_no_url(
    page: Page, script: ScriptedGateway
) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))

    await page.goto(script.link("ops/deploys", "very-secret"))
    seat = await script.next_seat()

    assert seat.token == "very-secret"
    await expect(page).to_have_url(f"{script.url}/")
    await page.go_back()
    assert "very-secret" not in page.url
    assert not [url for url in (*script.asked, *requested) if "very-secret" in url]


async def test_the_token_is_kept_for_this_tab_alone_and_shown_nowhere(
    page: Page, script: ScriptedGateway
) -> None:
    await joined(page, script)

    assert "secret-token" in await page.evaluate("JSON.stringify(sessionStorage)")
    assert "secret-token" not in await page.evaluate("JSON.stringify(localStorage) + document.cookie")
    assert "secret-token" not in await page.content()


async def test_a_reload_takes_the_same_seat_again(page: Page, script: ScriptedGateway) -> None:
    await joined(page, script)

    await page.reload()

    assert (await script.next_seat()).token == "secret-token"
    await expect(page.get_by_test_id("connection-state")).to_have_text("Online")


async def test_without_a_link_topic_and_token_are_asked_for(page: Page, script: ScriptedGateway) -> None:
    await page.goto(script.url)
    await expect(page.get_by_test_id("join-form")).to_be_visible()
    await expect(page.get_by_test_id("join-token")).to_have_attribute("type", "password")
    await page.get_by_test_id("join-topic").fill("ops")
    await page.get_by_test_id("join-send").click()
    await expect(page.get_by_test_id("join-problem")).to_contain_text("token")

    await page.get_by_test_id("join-token").fill("typed-token")
    await page.get_by_test_id("join-token").press("Enter")

    assert (await script.next_seat()).token == "typed-token"
    await expect(page.get_by_test_id("timeline")).to_be_visible()


async def test_leaving_forgets_the_token(page: Page, script: ScriptedGateway) -> None:
    await joined(page, script)

    await page.get_by_test_id("leave").click()

    await expect(page.get_by_test_id("join-form")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_another_link_in_the_same_tab_takes_another_seat(page: Page, script: ScriptedGateway) -> None:
    await joined(page, script)

    await page.goto(script.link("other", "other-token"))

    assert (await script.next_seat()).token == "other-token"
    await expect(page).to_have_url(f"{script.url}/")
    await expect(page.get_by_role("heading", name="other")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "Ask for a new invite link"), (403, "Ask for a link"), (400, "Check the topic")],
)
async def test_a_refused_handshake_is_told_in_the_gateways_words(
    page: Page, script: ScriptedGateway, status: int, advice: str
) -> None:
    script.refusal = (status, {"title": "The gateway's title", "detail": "The gateway's detail."})

    await page.goto(script.link())

    problem = page.get_by_test_id("join-problem")
    await expect(problem).to_contain_text("The gateway's title")
    await expect(problem).to_contain_text("The gateway's detail.")
    await expect(problem).to_contain_text(advice)


async def test_a_gateway_that_is_busy_is_tried_again(page: Page, script: ScriptedGateway) -> None:
    script.refusal = (503, {"title": "Unavailable", "detail": "The broker is away."})
    await page.goto(script.link())
    await expect(page.get_by_test_id("banner")).to_contain_text("The broker is away.")

    script.refusal = None

    await script.next_seat()
    await expect(page.get_by_test_id("banner")).to_be_hidden()


# Going away and coming back


@spec("mcpx main job gateway restart")
async def test_after_a_loss_the_page_comes_back_and_says_what_it_may_have_missed(
    page: Page, script: ScriptedGateway
) -> None:
    seat = await proposed(page, script)
    await page.get_by_test_id("composer-text").fill("a draft")

    await seat.close(1012)

    await expect(page.get_by_test_id("connection-state")).not_to_have_attribute("data-state", "online")
    await expect(page.get_by_test_id("approve")).to_be_disabled()
    again = await script.next_seat()
    missed = re.compile(r"envelopes between \d\d:\d\d:\d\d and \d\d:\d\d:\d\d may have been missed")
    await expect(page.get_by_test_id("notice")).to_contain_text(missed)
    await expect(page.get_by_test_id("gap")).to_contain_text(missed)
    await expect(page.get_by_test_id("composer-text")).to_have_value("a draft")
    card = page.get_by_test_id("proposal-p")
    await expect(card.locator(".stale")).to_be_visible()
    await again.say(script.proposal("p", WRITE))
    await expect(card.locator(".stale")).to_be_hidden()
    await page.get_by_test_id("approve").click()
    assert (await again.next_sent())["correlation_id"] == "p"


@spec("mcpx main job latecomer")
async def test_a_proposal_that_is_sent_again_after_a_reload_can_be_approved(
    page: Page, script: ScriptedGateway
) -> None:
    await proposed(page, script)
    await page.reload()
    seat = await script.next_seat()
    await expect(page.get_by_test_id("pending-count")).to_have_text("0")

    await seat.say(script.proposal("p", WRITE))
    await page.get_by_test_id("approve").click()

    assert (await seat.next_sent())["correlation_id"] == "p"


async def test_a_gateway_that_says_no_welcome_is_tried_again(page: Page, script: ScriptedGateway) -> None:
    await page.clock.install()
    await page.goto(script.link())
    await script.next_unwelcome_seat()
    await expect(page.get_by_test_id("connection-state")).to_have_text("Connecting…")

    await page.clock.fast_forward(11_000)
    await expect(page.get_by_test_id("banner")).to_be_visible()
    await page.clock.fast_forward(5_000)

    await script.next_seat()
    await expect(page.get_by_test_id("connection-state")).to_have_text("Online")


async def test_a_page_whose_network_goes_away_notices_at_once_and_comes_back_with_it(
    page: Page, script: ScriptedGateway
) -> None:
    await joined(page, script)

    await page.context.set_offline(True)
    await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "offline")
    await page.context.set_offline(False)

    await script.next_seat()
    await expect(page.get_by_test_id("connection-state")).to_have_text("Online")


async def test_a_silent_line_is_given_up_when_the_gateway_does_not_answer_beside_it(
    page: Page, script: ScriptedGateway
) -> None:
    await page.clock.install()
    await joined(page, script)
    await page.route("**/livez", lambda route: route.abort())

    await page.clock.fast_forward(21_000)

    await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "offline")
    await page.clock.fast_forward(1_000)
    await script.next_seat()
    await expect(page.get_by_test_id("gap")).to_contain_text("may have been missed")


async def test_a_silent_line_is_kept_while_the_gateway_answers(page: Page, script: ScriptedGateway) -> None:
    await page.clock.install()
    seat = await joined(page, script)

    async with page.expect_response("**/livez"):
        await page.clock.fast_forward(21_000)
    await page.clock.fast_forward(1_000)
    await seat.say(script.envelope("files", "chat", {"text": "still here", "format": "plain"}))

    await expect(page.get_by_test_id("timeline")).to_contain_text("still here")
    await expect(page.get_by_test_id("connection-state")).to_have_text("Online")


async def test_a_line_that_brings_nothing_after_something_was_sent_is_given_up(
    page: Page, script: ScriptedGateway
) -> None:
    await page.clock.install()
    script.echoes = False
    seat = await joined(page, script)
    await page.get_by_test_id("composer-text").fill("hello?")
    await page.get_by_test_id("composer-text").press("Enter")
    await seat.next_sent()

    # The first look may still find some of it unsent, and then counts from there.
    await page.clock.run_for(1_500)
    await page.clock.fast_forward(11_000)

    await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "offline")
    await page.clock.fast_forward(1_000)
    await script.next_seat()


@pytest.mark.parametrize(
    ("code", "title"), [(4401, "Your token has expired"), (4403, "Your access was revoked")]
)
async def test_a_token_that_no_longer_counts_is_not_tried_again(
    page: Page, script: ScriptedGateway, code: int, title: str
) -> None:
    seat = await joined(page, script)

    await seat.close(code)

    await expect(page.get_by_test_id("banner")).to_contain_text(title)
    await expect(page.get_by_test_id("connection-state")).to_have_attribute("data-state", "closed")
    assert await page.evaluate("sessionStorage.length") == 0
    await expect(page.get_by_test_id("retry")).to_be_hidden()
