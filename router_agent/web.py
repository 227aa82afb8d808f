"""The router over HTTP: `POST /v2/execute` and `POST /v2/stream`, with the caller's own token and rights."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, cast

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route as Path
from starlette.types import Receive, Scope, Send

from router_agent.callers import Callers
from router_agent.core import LONGEST_INTENT
from router_agent.core.limits import Allowance
from router_agent.core.prompting import system_prompt
from router_agent.harness import DEFAULT_LIMITS, ChatEvent, EventType, Limits, ReasoningModel, Turn, converse
from router_agent.openapi import OPENAPI
from router_agent.problems import Problem, problem_of, response_of
from router_agent.silences import with_silences
from schemas import NameRefused, check_topic

_log: Final = logging.getLogger(__name__)

LARGEST_BODY: Final = 256 * 1024
MOST_MESSAGES: Final = 200
HEARTBEAT_S: Final = 15.0


class Web:
    """The router's HTTP application."""

    def __init__(
        self,
        callers: Callers,
        models: Mapping[str, ReasoningModel],
        *,
        hosts: Sequence[str] = ("127.0.0.1", "localhost", "[::1]"),
        allowance: Allowance | None = None,
        limits: Limits = DEFAULT_LIMITS,
        heartbeat: float = HEARTBEAT_S,
    ) -> None:
        """`models` are those that the operator configured, by name; `hosts` what `Host` may say."""
        self._callers, self._models, self._hosts = callers, models, frozenset(hosts)
        self._allowance, self._limits, self._heartbeat = allowance or Allowance(), limits, heartbeat
        self.app = Starlette(
            routes=[
                Path("/v2/execute", self._execute, methods=["POST"]),
                Path("/v2/stream", self._stream, methods=["POST"]),
                Path("/openapi.json", self._openapi, methods=["GET"]),
                Path("/healthz", self._health, methods=["GET"]),
            ],
            exception_handlers={Exception: _failed, 404: _missing, 405: _missing},
        )

    async def _execute(self, request: Request) -> Response:
        """Route one intent and carry it out."""
        try:
            token, body = self._token(request), await self._body(request)
            topic, intent = _topic(body), _text(body, "intent", LONGEST_INTENT)
            self._take(token)
            async with self._callers.caller(token, topic) as caller:
                done = await caller.carrier.carry(intent)
        except Exception as error:  # noqa: BLE001 - the edge of a request: every failure is answered
            return _answered(error)
        told: dict[str, Any] = {"route": done.route, "steps": list(done.steps)}
        if done.error:
            told["error"] = done.error
        if done.question:
            told["question"] = done.question
        return JSONResponse(told)

    async def _stream(self, request: Request) -> Response:
        """Let a model answer, with tools behind brackets, as server-sent events."""
        try:
            token, body = self._token(request), await self._body(request)
            topic, turns = _topic(body), _turns(body)
            name = _text(body, "model", 128)
            model = self._models.get(name)
            if model is None:
                raise Problem("model_unknown", "The operator configured no model of that name")
            self._take(token)
            # Entered here, so that a token that is refused is answered with a status.
            held = AsyncExitStack()
            caller = await held.enter_async_context(self._callers.caller(token, topic))
        except Exception as error:  # noqa: BLE001 - the edge of a request: every failure is answered
            return _answered(error)
        bare = body.get("bare") is True
        system = system_prompt(caller.directory.catalogue, bare=bare)
        conversation = converse(model, caller.carrier, system, turns, bare=bare, limits=self._limits)
        frames = await held.enter_async_context(aclosing(_framed(conversation, self._heartbeat)))
        return _Events(frames, held)

    async def _openapi(self, request: Request) -> Response:
        del request
        return JSONResponse(OPENAPI)

    async def _health(self, request: Request) -> Response:
        del request
        return JSONResponse({"status": "ok"})

    def _token(self, request: Request) -> str:
        name, _, port = request.headers.get("host", "").rpartition(":")
        host = name if port.isdigit() else request.headers.get("host", "")
        if host.lower() not in self._hosts:
            raise Problem("host_refused", "Add this host name to --http-allowed-hosts if it is yours")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Problem("token_missing", "Send a capability token: Authorization: Bearer …")
        return token.strip()

    async def _body(self, request: Request) -> dict[str, Any]:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > LARGEST_BODY:
                raise Problem("too_large", f"A request has at most {LARGEST_BODY} bytes")
        try:
            body = orjson.loads(bytes(data))
        except ValueError:
            raise Problem("invalid_body", "The body is no JSON") from None
        if not isinstance(body, dict):
            raise Problem("invalid_body", "The body is no JSON object")
        return cast("dict[str, Any]", body)

    def _take(self, token: str) -> None:
        asker = hashlib.sha256(token.encode()).hexdigest()
        if not self._allowance.takes(asker, asyncio.get_running_loop().time()):
            raise Problem("rate_limited", "You ask too often; try again in a minute")


class _Events(StreamingResponse):
    """Server-sent events; what they hold is let go however they end, also before the first."""

    def __init__(self, frames: AsyncIterator[bytes], held: AsyncExitStack) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(frames, media_type="text/event-stream", headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


async def _framed(conversation: AsyncGenerator[ChatEvent], heartbeat: float) -> AsyncGenerator[bytes]:
    """Write events for `text/event-stream`, each with an id; a comment where nothing happens for a while."""
    number = 0

    def framed(type: str, data: Any) -> bytes:
        nonlocal number
        number += 1
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, type.encode(), orjson.dumps(data))

    async with aclosing(conversation), aclosing(with_silences(conversation, lambda: heartbeat)) as events:
        try:
            async for event in events:
                yield framed(event.type, event.data) if event is not None else b": waiting\n\n"
        except Exception as error:  # noqa: BLE001 - the head is sent: a failure can only be an event
            _log.exception("stream.failed", exc_info=error)
            yield framed(EventType.ERROR, {"type": "internal", "message": "Something went wrong here"})


def _topic(body: Mapping[str, Any]) -> str:
    try:
        return check_topic(_text(body, "topic", 256))
    except NameRefused as error:
        raise Problem("invalid_body", str(error)) from error


def _text(body: Mapping[str, Any], name: str, most: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= most:
        raise Problem("invalid_body", f"`{name}` is text of 1 to {most} characters")
    return value


def _turns(body: Mapping[str, Any]) -> list[Turn]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not 0 < len(messages) <= MOST_MESSAGES:
        raise Problem("invalid_body", f"`messages` is a list of 1 to {MOST_MESSAGES} messages")
    turns: list[Turn] = []
    for one in messages:
        role = one.get("role") if isinstance(one, dict) else None
        content = one.get("content") if isinstance(one, dict) else None
        if role not in {"user", "assistant"} or not isinstance(content, str):
            raise Problem("invalid_body", "A message has a `role` (user or assistant) and a text `content`")
        turns.append(Turn(role, content))
    return turns


def _answered(error: Exception) -> Response:
    problem = problem_of(error)
    if problem.code == "internal":
        _log.exception("request.failed", exc_info=error)
    return response_of(problem)


async def _failed(request: Request, error: Exception) -> Response:
    del request
    return _answered(error)


async def _missing(request: Request, error: Exception) -> Response:
    del request, error
    return response_of(Problem("not_found", "There is nothing here for that"))
