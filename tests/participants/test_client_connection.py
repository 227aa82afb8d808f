"""The connection: who is let in, what is lost with it, and when it is opened again."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.http11 import Response

from participants import (
    Closed,
    ConnectionLost,
    Disconnected,
    HandshakeRefused,
    NotAllowed,
    Participant,
    Presence,
    Reconnected,
    Welcome,
)
from participants.dialing import LONGEST_WAIT_S, Backoff, gateway_address, refusal_of
from schemas import CLOSE_REASONS, NameRefused
from tests.participants.client_gateway import scripted_gateway
from tests.requirements import spec

NOW = datetime(2025, 8, 26, 14, 0, tzinfo=UTC)


async def until_connected_again(events: Any) -> None:
    async for event in events:
        if isinstance(event, Reconnected):
            return


# The address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/ws?topic=ops&mode=all"),
        ("wss://host/", "wss://host/ws?topic=ops&mode=all"),
        ("http://localhost:1", "ws://localhost:1/ws?topic=ops&mode=all"),
        ("https://[::1]:8443/mcpx/", "wss://[::1]:8443/mcpx/ws?topic=ops&mode=all"),
        ("ws://host/ws", "ws://host/ws?topic=ops&mode=all"),
    ],
)
def test_an_address_is_made_of_what_people_type(url: str, address: str) -> None:
    assert gateway_address(url, "ops", "all") == address


def test_a_topic_is_percent_encoded() -> None:
    assert gateway_address("ws://h", "a/b:c@d", "directed") == "ws://h/ws?topic=a%2Fb%3Ac%40d&mode=directed"


@pytest.mark.parametrize(
    "url", ["", "host:8080", "ftp://host", "ws://", "ws://user:pw@host", "ws://host?token=x", "ws://host#x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(NameRefused) as raised:
        gateway_address(url, "ops", "all")
    assert "pw" not in str(raised.value)
    assert "token=x" not in str(raised.value)


def test_what_is_no_topic_is_refused_before_anything_is_dialled() -> None:
    with pytest.raises(NameRefused, match="topic"):
        Participant.connect("ws://127.0.0.1:1", "a//b", "token")


# The handshake


@spec("mcpx identity bearer header")
async def test_the_token_travels_in_the_header_and_nowhere_else() -> None:
    async with scripted_gateway() as gateway, gateway.connect() as (me, visit):
        assert visit.request.headers["Authorization"] == "Bearer the-secret-token"
        assert visit.request.path == "/ws?topic=ops&mode=all"
        assert "secret" not in repr(me)
        assert "Sec-WebSocket-Extensions" not in visit.request.headers


@spec("mcpx identity never in a log")
async def test_no_log_of_the_library_holds_the_token(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("participants").setLevel(logging.DEBUG)
        logging.getLogger("websockets.client").setLevel(logging.DEBUG)
        async with scripted_gateway() as gateway:
            gateway.refuse(401, {"detail": "expired"})
            with pytest.raises(HandshakeRefused) as raised:
                async with gateway.participant():
                    pass
            async with gateway.connect() as (me, _):
                await me.chat("hello")

    # The gateway's side of the test logs what it receives; the library must not.
    said = [record for record in caplog.records if record.name != "websockets.server"]
    assert "the-secret-token" not in "".join(record.getMessage() for record in said)
    assert "the-secret-token" not in repr(raised.value)


async def test_the_block_is_entered_after_the_welcome() -> None:
    async with scripted_gateway() as gateway:
        me = gateway.participant()
        entering = asyncio.create_task(me.__aenter__())
        visit = await gateway.next_visit()
        assert (entering.done(), me.connected) == (False, False)
        await visit.welcome("alice", "chat", others={"bob": ["mcp/*"]})
        await entering

        assert (me.id, me.topic, me.capabilities.patterns) == ("alice", "ops", ("chat",))
        assert set(me.roster) == {"alice", "bob"}
        assert repr(me) == "<Participant alice in ops, connected>"
        await me.close()
        assert repr(me) == "<Participant alice in ops, not connected>"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 503])
async def test_a_refused_handshake_says_why(status: int) -> None:
    async with scripted_gateway() as gateway:
        gateway.refuse(status, {"title": "No", "detail": "The token has expired"}, Retry_After="7")
        with pytest.raises(HandshakeRefused, match="The token has expired") as raised:
            async with gateway.participant():
                pass

        assert (raised.value.status, raised.value.retry_after_s) == (status, 7.0)
        assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "Forbidden"),
        (b"<html>no</html>", "Forbidden"),
        (b"[1]", "Forbidden"),
        (b'{"title": "No entry"}', "No entry"),
        (b'{"title": "No entry", "detail": ""}', "No entry"),
        (b'{"detail": 7}', "Forbidden"),
        (b'{"detail": "' + b"x" * 9000 + b'"}', "x" * 500),
    ],
)
def test_whatever_the_body_a_refusal_has_a_text(body: bytes, detail: str) -> None:
    assert refusal_of(Response(403, "Forbidden", Headers(), body), NOW).detail == detail


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        ("Tue, 26 Aug 2025 14:00:30 GMT", 30.0),
        ("Tue, 26 Aug 2025 13:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
    ],
)
def test_a_wait_is_asked_for_in_seconds_or_by_date(text: str | None, seconds: float | None) -> None:
    headers = Headers() if text is None else Headers({"Retry-After": text})

    assert refusal_of(Response(503, "Unavailable", headers, b""), NOW).retry_after_s == seconds


async def test_nobody_there_is_a_lost_connection() -> None:
    async with scripted_gateway() as gateway:
        url = gateway.url
    with pytest.raises(ConnectionLost):
        async with Participant.connect(url, "ops", "token"):
            pass


async def test_a_gateway_that_never_says_welcome_is_left() -> None:
    async with scripted_gateway() as gateway:
        with pytest.raises(ConnectionLost, match="no welcome"):
            async with gateway.participant(open_timeout=0.5):
                pass


async def test_a_close_instead_of_a_welcome_is_told_with_its_code() -> None:
    async with scripted_gateway() as gateway:
        entering = asyncio.create_task(gateway.participant().__aenter__())
        await (await gateway.next_visit()).close(4403, "revoked")

        with pytest.raises(Closed) as raised:
            await entering
        assert raised.value.code == 4403


async def test_who_stops_waiting_for_the_welcome_leaves_nothing_behind() -> None:
    async with scripted_gateway() as gateway:
        entering = asyncio.create_task(gateway.participant().__aenter__())
        visit = await gateway.next_visit()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering

        await visit.connection.wait_closed()
        assert {task.get_name() for task in asyncio.all_tasks() if "participant" in task.get_name()} == set()


async def test_a_participant_connects_once() -> None:
    async with scripted_gateway() as gateway, gateway.connect() as (me, _):
        with pytest.raises(RuntimeError, match="once"):
            await me.__aenter__()


# Lost and opened again


async def test_a_lost_connection_is_opened_again_and_told_of() -> None:
    async with scripted_gateway() as gateway, gateway.connect(others={"bob": ["chat"]}) as (me, visit):
        events = me.events()
        await visit.close(1012, "going away")
        assert await anext(events) == Disconnected(1012, "going away", final=False)
        with pytest.raises(ConnectionLost):
            await me.chat("anybody?")

        await (await gateway.next_visit()).welcome("me", "chat")
        assert isinstance(await anext(events), Welcome)
        assert isinstance(await anext(events), Reconnected)
        assert me.connected
        assert set(me.roster) == {"me"}
        with pytest.raises(NotAllowed):
            await me.request("bob", "ping")


async def test_a_broken_tcp_connection_is_opened_again() -> None:
    async with scripted_gateway() as gateway, gateway.connect() as (me, visit):
        events = me.events()
        visit.connection.transport.abort()

        lost = await anext(events)
        assert isinstance(lost, Disconnected)
        assert (lost.code, lost.final) == (1006, False)
        await (await gateway.next_visit()).welcome("me", "chat")


@spec("mcpx refusals close code table")
@pytest.mark.parametrize("reason", CLOSE_REASONS.values(), ids=lambda reason: str(reason.code))
async def test_every_close_code_is_obeyed(reason: Any) -> None:
    async with scripted_gateway() as gateway, gateway.connect() as (me, visit):
        events = me.events()
        await visit.close(reason.code, reason.reason)

        assert await anext(events) == Disconnected(reason.code, reason.reason, final=not reason.reconnect)
        if reason.reconnect:
            await (await gateway.next_visit()).welcome("me", "chat")
            await until_connected_again(events)
        else:
            closed = await me.wait_closed()
            assert closed.code == reason.code
            with pytest.raises(Closed) as raised:
                await me.send("chat", {"text": "x"})
            assert raised.value.code == reason.code
            with pytest.raises(StopAsyncIteration):
                await anext(events)
            assert len(gateway.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_reconnect_that_is_refused_is_not_tried_again(status: int) -> None:
    async with scripted_gateway() as gateway, gateway.connect() as (me, visit):
        gateway.refuse(status, {"detail": "revoked"})
        await visit.close(1012)

        closed = await me.wait_closed()
        assert "revoked" in str(closed)
        assert isinstance(closed.__cause__, HandshakeRefused)
        with pytest.raises(Closed, match="revoked"):
            await me.chat("hello")
        assert len(gateway.requests) == 2


async def test_a_busy_gateway_is_asked_again_after_the_time_it_names() -> None:
    waits: list[tuple[float, float]] = []

    def jitter(least: float, most: float) -> float:
        waits.append((least, most))
        return 0.0

    backoff = Backoff(first=1.0, most=4.0, jitter=jitter)
    async with scripted_gateway() as gateway, gateway.connect(backoff=backoff) as (me, visit):
        events = me.events()
        for _ in range(4):
            gateway.refuse(503, {"detail": "broker away"}, Retry_After="0")
        await visit.close(1012)
        await (await gateway.next_visit()).welcome("me", "chat")
        await until_connected_again(events)

    assert waits == [(0.0, 2.0), (0.0, 4.0), (0.0, 4.0), (0.0, 4.0), (0.0, 4.0)]


@given(st.integers(0, 10_000), st.none() | st.floats(0, 1e9))
def test_a_pause_is_anywhere_up_to_its_most_and_never_endless(tries: int, at_least: float | None) -> None:
    backoff = Backoff()

    delay = backoff.delay(tries, at_least)
    assert 0.0 <= delay <= LONGEST_WAIT_S + 30.0
    assert at_least is None or delay >= min(at_least, LONGEST_WAIT_S)


async def test_a_gateway_that_cannot_be_reached_for_a_while_is_tried_until_it_can() -> None:
    async with scripted_gateway() as gateway, gateway.connect(open_timeout=10.0) as (me, visit):
        events = me.events()
        gateway.broken_handshakes = 3
        await visit.close(1012)
        await (await gateway.next_visit()).welcome("me", "chat")

        await until_connected_again(events)
        assert len(gateway.requests) == 5


async def test_a_reconnect_without_a_welcome_is_tried_again() -> None:
    async with scripted_gateway() as gateway, gateway.connect(open_timeout=1.0) as (me, visit):
        events = me.events()
        await visit.close(1012)
        await gateway.next_visit()  # and says nothing
        await (await gateway.next_visit()).welcome("me", "chat")

        await until_connected_again(events)
        assert me.connected


async def test_without_reconnect_a_loss_is_the_end() -> None:
    async with scripted_gateway() as gateway, gateway.connect(reconnect=False) as (me, visit):
        await visit.close(1012, "going away")

        assert (await me.wait_closed()).code == 1012


# Leaving


async def test_leaving_closes_normally_and_ends_the_streams() -> None:
    async with scripted_gateway() as gateway:
        async with gateway.connect() as (me, visit):
            events = me.events()
        assert [event async for event in events] == [Disconnected(1000, "Closed as asked", final=True)]
        await visit.connection.wait_closed()
        assert visit.connection.close_code == 1000
        assert [event async for event in me.events()] == []
        await me.close()


async def test_leaving_withdraws_what_is_pending_and_tells_who_waits() -> None:
    async with scripted_gateway() as gateway:
        async with gateway.connect("agent", "mcp/proposal:*") as (me, visit):
            asking = asyncio.create_task(me.request("files", "tools/call", {"name": "rm"}))
            proposal = await visit.accepted()
        with pytest.raises(Closed):
            await asking
        withdraw = await visit.heard()
        assert withdraw.correlation_id == proposal.id
        assert str(withdraw.kind) == "mcp/withdraw:tools/call:rm"


async def test_leaving_while_the_gateway_is_away_does_not_wait_for_it() -> None:
    async with scripted_gateway() as gateway:
        slow = Backoff(first=1000.0, most=1000.0, jitter=lambda _, most: most)
        async with gateway.connect(backoff=slow) as (me, visit):
            events = me.events()
            await visit.close(1012)
            await anext(events)
        assert not me.connected


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    async with scripted_gateway() as gateway:
        with pytest.raises(ZeroDivisionError):
            async with gateway.connect():
                raise ZeroDivisionError


async def test_presence_is_heard_and_kept() -> None:
    async with scripted_gateway() as gateway, gateway.connect() as (me, visit):
        events = me.events()
        participant = {"id": "bob", "capabilities": ["chat"]}
        await visit.say("system/presence", {"event": "join", "participant": participant})
        heard = await anext(events)

        assert isinstance(heard, Presence)
        assert heard.peer == me.roster["bob"]
