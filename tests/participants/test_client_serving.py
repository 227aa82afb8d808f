"""Handlers and readers: however slow or broken they are, receiving goes on and everybody is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from participants import (
    BUSY,
    INTERNAL_ERROR,
    Chat,
    EventsDropped,
    NotAllowed,
    Notification,
    Presence,
    Request,
    RequestFailed,
)
from participants.conversation import ProposalLapsed, ProposalSeen
from participants.outbox import LIMIT_BYTES, ROOM_BYTES, Outbox
from participants.streams import EventStream, Reconnected
from participants.workers import Workers
from schemas import Envelope, Kind
from tests.participants.client_gateway import Visit, scripted_gateway
from tests.requirements import spec

OTHERS = {"ann": ["mcp/*"], "agent": ["mcp/proposal:*"]}


async def call(visit: Visit, tool: str = "write", *, rpc_id: int | str = 1, **header: Any) -> str:
    """A call of a tool by ann."""
    payload = {"jsonrpc": "2.0", "id": rpc_id, "method": "tools/call", "params": {"name": tool}}
    return await visit.say(
        f"mcp/request:tools/call:{tool}", payload, sender="ann", **{"to": ["files"], **header}
    )


def payload_of(envelope: Envelope) -> dict[str, Any]:
    payload: dict[str, Any] = orjson.loads(bytes(envelope.raw_payload))
    return payload


@spec("MCPx 3.1.2 responses carry correlation_id", "MCPx 3.1.2 responses carry the context")
async def test_a_handler_answers_what_it_is_asked() -> None:
    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):

        async def handler(request: Request) -> dict[str, Any]:
            return {"asked": [request.sender, request.method, request.context, request.params]}

        me.on_request(handler)
        request_id = await call(visit, rpc_id="seven")
        response = await visit.heard()

        assert str(response.kind) == "mcp/response:tools/call:write"
        assert (response.correlation_id, response.to) == (request_id, ("ann",))
        assert payload_of(response) == {
            "jsonrpc": "2.0",
            "id": "seven",
            "result": {"asked": ["ann", "tools/call", "write", {"name": "write"}]},
        }


@spec("MCPx 3.2.1 response to both")
async def test_a_handler_knows_whose_proposal_it_carries_out() -> None:
    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):

        async def handler(request: Request) -> dict[str, Any]:
            assert request.proposal is not None
            return {"proposer": request.proposal.proposer, "id": request.proposal.id}

        me.on_request(handler)
        payload = {"method": "tools/call", "params": {"name": "write"}, "expiresAt": None}
        proposal = await visit.say("mcp/proposal:tools/call:write", payload, sender="agent", to=["files"])
        await call(visit, correlation_id=proposal)
        response = await visit.heard()

        assert payload_of(response)["result"] == {"proposer": "agent", "id": proposal}
        assert response.to == ("ann", "agent")


async def test_a_handler_that_is_set_in_the_first_line_of_the_block_misses_nothing() -> None:
    async with scripted_gateway() as gateway:
        me = gateway.participant()

        async def serve() -> None:
            async with me:
                me.on_request(handler)
                events = me.events()
                heard.append(await anext(events))
                await answered.wait()

        async def handler(request: Request) -> dict[str, Any]:
            return {}

        heard: list[Any] = []
        answered = asyncio.Event()
        serving = asyncio.create_task(serve())
        visit = await gateway.next_visit()
        await visit.welcome("files", "mcp/response:*", others=OTHERS)
        await call(visit)  # arrives together with the welcome

        assert "result" in payload_of(await visit.heard())
        answered.set()
        await serving
        assert str(heard[0].kind) == "mcp/request:tools/call:write"


async def test_an_error_that_a_handler_raises_on_purpose_is_the_answer() -> None:
    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):

        async def handler(request: Request) -> dict[str, Any]:
            raise RequestFailed(-32602, "no such path", {"path": "/a"})

        me.on_request(handler)
        await call(visit)

        error = payload_of(await visit.heard())["error"]
        assert error == {"code": -32602, "message": "no such path", "data": {"path": "/a"}}


@pytest.mark.parametrize("answer", ["raises", "returns what JSON cannot say", "returns none"])
async def test_a_handler_that_fails_is_answered_for_without_a_word_of_why(
    answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):

        async def handler(request: Request) -> Any:
            if answer == "raises":
                raise ValueError("the password is 1234")
            return {"x": object()} if answer == "returns what JSON cannot say" else None

        me.on_request(handler)
        await call(visit)
        await call(visit, rpc_id=2)

        for _ in range(2):
            error = payload_of(await visit.heard())["error"]
            assert error == {"code": INTERNAL_ERROR, "message": "Internal error"}
    assert [record.message for record in caplog.records] == ["request.failed"] * 2


async def test_who_serves_nothing_leaves_the_answer_to_another_connection_of_the_same_participant() -> None:
    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):
        await call(visit)
        payload = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        await visit.say("mcp/request:tools/list", payload, sender="ann")
        events = me.events()
        await visit.say("chat", {"text": "marker"}, sender="ann")
        async with asyncio.timeout(30):
            while not isinstance(await anext(events), Chat):
                pass
        await me.chat("marker")

        assert str((await visit.heard()).kind) == "chat"


async def test_handlers_run_so_many_at_once_and_who_finds_no_room_is_told_at_once() -> None:
    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):
        go = asyncio.Event()
        running = 0
        most = 0

        async def handler(request: Request) -> dict[str, Any]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await go.wait()
            running -= 1
            return {"n": request.rpc_id}

        me.on_request(handler, concurrency=2, waiting=3)
        ids = [await call(visit, rpc_id=number) for number in range(7)]
        for refused in ids[5:]:
            response = await visit.heard()
            assert response.correlation_id == refused
            assert payload_of(response)["error"]["code"] == BUSY
        go.set()

        answered = [await visit.heard() for _ in range(5)]
        assert sorted(payload_of(response)["result"]["n"] for response in answered) == [0, 1, 2, 3, 4]
        assert most == 2


async def test_receiving_goes_on_while_a_handler_and_a_reader_do_not() -> None:
    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):
        slow_reader = me.events()
        events = me.events()

        async def handler(request: Request) -> dict[str, Any]:
            return await asyncio.Future()

        me.on_request(handler, concurrency=1, waiting=1)
        await call(visit, rpc_id=1)
        await call(visit, rpc_id=2)
        await visit.say("system/presence", {"event": "join", "participant": {"id": "bob"}})
        async for event in events:
            if isinstance(event, Presence):
                break

        assert "bob" in me.roster
        assert [type(await anext(slow_reader)).__name__ for _ in range(3)] == [
            "RequestSeen",
            "RequestSeen",
            "Presence",
        ]


@spec("mcpx kinds cancelled from requester")
async def test_a_handler_is_told_that_nobody_waits_any_more() -> None:
    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):

        async def handler(request: Request) -> dict[str, Any]:
            await request.cancelled.wait()
            return {"stopped": True}

        me.on_request(handler)
        request_id = await call(visit)
        payload = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        await visit.say(
            "mcp/request:notifications/cancelled",
            payload,
            sender="ann",
            to=["files"],
            correlation_id=request_id,
        )

        assert payload_of(await visit.heard())["result"] == {"stopped": True}


async def test_a_handler_is_told_that_its_connection_is_lost_and_its_answer_goes_nowhere() -> None:
    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):
        told = asyncio.Event()

        async def handler(request: Request) -> dict[str, Any]:
            if request.rpc_id == 1:
                await request.cancelled.wait()
                told.set()
            return {"n": request.rpc_id}

        me.on_request(handler)
        events = me.events()
        await call(visit)
        await anext(events)
        await visit.close(1012)
        await told.wait()

        again = await gateway.next_visit()
        await again.welcome("files", "mcp/response:*", others=OTHERS)
        await call(again, rpc_id=2)
        assert payload_of(await again.heard())["result"] == {"n": 2}


async def test_a_handler_tells_of_its_progress_and_may_be_forbidden_to() -> None:
    async with (
        scripted_gateway() as gateway,
        gateway.connect("files", "mcp/response:*", "mcp/request:notifications/progress", others=OTHERS) as (
            me,
            visit,
        ),
    ):
        forbidden: list[NotAllowed] = []

        async def handler(request: Request) -> dict[str, Any]:
            await request.notify("notifications/progress", {"progressToken": 1, "progress": 1})
            try:
                await request.notify("notifications/message", {"level": "info", "data": "x"})
            except NotAllowed as error:
                forbidden.append(error)
            return {}

        me.on_request(handler)
        request_id = await call(visit)

        progress = await visit.heard()
        assert str(progress.kind) == "mcp/request:notifications/progress"
        assert (progress.to, progress.correlation_id) == (("ann",), request_id)
        assert "result" in payload_of(await visit.heard())
        assert [error.kind for error in forbidden] == ["mcp/request:notifications/message"]


async def test_notifications_are_handled_one_after_the_other_and_an_error_in_one_stops_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[object] = []
    done = asyncio.Event()

    async def handler(notification: Notification) -> None:
        heard.append(notification.params["n"])
        await asyncio.sleep(0)
        if notification.params["n"] == 2:
            raise ValueError("no")
        if notification.params["n"] == 4:
            done.set()

    async with scripted_gateway() as gateway, gateway.connect("files", others=OTHERS) as (me, visit):
        me.on_notification(handler)
        for number in range(5):
            payload = {"jsonrpc": "2.0", "method": "notifications/x", "params": {"n": number}}
            await visit.say("mcp/request:notifications/x", payload, sender="ann", to=["files"])
        await done.wait()

    assert heard == [0, 1, 2, 3, 4]
    assert [record.message for record in caplog.records] == ["notification.failed"]


# What a participant does by the clock


async def test_a_proposal_of_another_lapses_by_the_clock() -> None:
    async with scripted_gateway() as gateway, gateway.connect(others=OTHERS) as (me, visit):
        events = me.events()
        payload = {"method": "tools/call", "params": {"name": "x"}, "expiresAt": "2025-08-26T14:05:00Z"}
        await visit.say("mcp/proposal:tools/call:x", payload, sender="agent")

        assert isinstance(await anext(events), ProposalSeen)
        assert isinstance(await anext(events), ProposalLapsed)
        assert me.pending_proposals == []


@spec("mcpx proposals sent again")
async def test_a_proposal_is_sent_again_for_a_newcomer_without_anybody_asking() -> None:
    async with (
        scripted_gateway() as gateway,
        gateway.connect("agent", "mcp/proposal:*", others=OTHERS) as (me, visit),
    ):
        asking = asyncio.create_task(me.request("files", "tools/call", {"name": "x"}))
        proposal = await visit.accepted()
        await visit.say(
            "system/presence", {"event": "join", "participant": {"id": "bob", "capabilities": ["mcp/*"]}}
        )

        assert (await visit.heard()).data == proposal.data
        asking.cancel()


# Streams, workers and the outbox, by themselves


def chat(text: str) -> Chat:
    return Chat("id", "ann", (), Kind("chat"), None, None, {}, text, "plain")


async def test_a_reader_that_is_too_slow_is_told_where_events_are_missing() -> None:
    stream = EventStream(limit=3)
    for number in range(5):
        stream.put(chat(str(number)), 1)
    assert [await anext(stream) for _ in range(2)] == [chat("0"), chat("1")]
    stream.put(chat("5"), 1)
    stream.end()

    assert [event async for event in stream] == [chat("2"), EventsDropped(2), chat("5")]


async def test_events_are_bounded_by_the_bytes_they_came_in_too() -> None:
    stream = EventStream(limit_bytes=100)
    stream.put(chat("big"), 101)
    stream.put(chat("small"), 60)
    stream.put(chat("one too many"), 60)
    stream.put(Reconnected(), 0)
    stream.end()

    assert [event async for event in stream] == [
        EventsDropped(1),
        chat("small"),
        EventsDropped(1),
        Reconnected(),
    ]


async def test_a_reader_waits_for_what_comes() -> None:
    stream = EventStream()
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    stream.put(chat("late"), 1)

    assert await reading == chat("late")


def test_workers_refuse_limits_with_which_nothing_ever_runs() -> None:
    for concurrency, waiting in ((0, 1), (1, -1)):
        with pytest.raises(ValueError, match="at least"):
            Workers(concurrency, waiting)


async def test_an_error_that_escapes_from_a_worker_is_not_lost() -> None:
    async def escape() -> None:
        _ = 1 / 0

    workers = Workers(1, 0)
    assert workers.offer(escape)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    with pytest.raises(ZeroDivisionError):
        await workers.end()


async def test_the_outbox_holds_senders_back_and_says_when_waiting_makes_no_sense() -> None:
    outbox = Outbox()
    await outbox.wait_room()
    frame = bytes(ROOM_BYTES // 2 + 1)
    outbox.put(frame)
    outbox.put(frame)
    waiting = asyncio.ensure_future(outbox.wait_room())
    await asyncio.sleep(0)
    assert (waiting.done(), outbox.overfull) == (False, False)

    assert await outbox.wait_next() is frame
    outbox.written()
    await waiting
    for _ in range(LIMIT_BYTES // len(frame)):
        outbox.put(frame)
    assert (outbox.overfull, outbox._bytes > LIMIT_BYTES) == (True, True)
    outbox.clear()
    await outbox.wait_empty()
