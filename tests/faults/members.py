"""Members of a topic who write down everything that happens to them, as `tests.history` reads it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from participants import Backoff
from schemas import CLOSE_REASONS, PROTOCOL, CloseCode
from tests.history import AnyEvent, Closed, Denied, Heard, Left, Opening, Sent

_OPEN_S: Final = 10.0
_ASKS_EVERY: Final = 5
"""Of what a member says, one in so many is a request."""


class Recorder:
    """One history: events of all members in the order in which they happened, on one clock."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._texts: dict[str, str] = {}
        self._system: dict[str, Any] = {}
        self._names = itertools.count(1)

    @property
    def now(self) -> float:
        """Seconds since the recording began."""
        return self._loop.time() - self._began

    def note(self, event: AnyEvent) -> None:
        """Write down what has just happened."""
        self.events.append(event)

    def name(self, participant: str) -> str:
        """Return a name for a new connection."""
        return f"{participant}#{next(self._names)}"

    def kept(self, text: str) -> str:
        """Return one object for equal texts: a thousand members hear the same."""
        return self._texts.setdefault(text, text)

    def read(self, text: str) -> Any:
        """Return what the gateway said, parsed once; `None` if somebody else said it."""
        if '"system:gateway"' not in text:
            return None
        if text not in self._system:
            envelope = orjson.loads(text)
            self._system[text] = envelope if envelope["from"] == "system:gateway" else None
        return self._system[text]


class Member:
    """
    A participant that comes back when it should: where its close code says so, with full jitter.

    It tries its first address again and again in turn with the others.
    """

    def __init__(
        self,
        recorder: Recorder,
        participant: str,
        topic: str,
        urls: Sequence[str],
        token: str,
        *,
        base: tuple[str, ...] = ("mcp/*", "chat"),
        jti: str = "",
        may_expire: bool = False,
    ) -> None:
        """`may_expire`: its token may end at any moment, for its node's wall clock jumps."""
        self.id, self.topic = participant, topic
        self._recorder, self._urls, self._token, self._base = recorder, urls, token, base
        self._jti, self._may_expire = jti, may_expire
        self._turn = 0
        self._socket: ClientConnection | None = None
        self.connection = ""
        """Its present or last one, as the history names it."""
        self.url = urls[0]
        """Where that leads."""
        self.stays_away = False
        """Whether it does not come back once its present connection has ended."""
        self.is_in = False
        """Whether it has been welcomed and not been told to go since."""
        self.roster: set[str] = set()
        """The others that it believes to be there."""
        self.pending: set[str] = set()
        """Ids of what it sent over this connection and has had no answer to."""
        self.awaited: set[str] = set()
        """Ids that somebody wants to know it has heard."""
        self.heard: set[str] = set()
        """Those of them that it has."""
        self.codes: list[int | None] = []
        """How its connections ended."""
        self.welcomed_at: list[float] = []
        """When it was let in, by the recorder's clock."""
        self._running: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[str | None]] = set()
        self.changed = asyncio.Event()

    # Life

    def start(self) -> None:
        """Come in, and stay in."""
        self._running = asyncio.create_task(self._run(), name=f"member {self.id}")

    async def wait_in(self, within_s: float = 15.0) -> None:
        """Wait until it is welcomed."""
        async with asyncio.timeout(within_s):
            while not self.is_in:
                self.changed.clear()
                await self.changed.wait()

    async def leave(self) -> None:
        """Go, and say so."""
        socket = self._socket
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if socket is not None:
            self._recorder.note(Left(at=self._recorder.now, connection=self.connection))

    async def stop(self) -> None:
        """Go without a word in the history: it has been judged by now."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._socket is not None:
            self._socket.transport.abort()

    async def _run(self) -> None:
        backoff, tries, loop = Backoff(), 0, asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                code = await self._connection()
            except ConnectionRefusedError:
                code = None
            self.is_in = False
            self.changed.set()
            if self.stays_away:
                return
            if code is not None and not (code in set(CloseCode) and CLOSE_REASONS[CloseCode(code)].reconnect):
                return
            tries = 0 if loop.time() - began >= backoff.settled_after else tries + 1
            self._turn += 1
            await asyncio.sleep(backoff.delay(min(tries, 4)))

    async def _connection(self) -> int | None:
        recorder = self._recorder
        self.url = self._urls[self._turn % len(self._urls)]
        name = self.connection = recorder.name(self.id)
        now = recorder.now
        opening = Opening(
            at=now,
            connection=name,
            participant=self.id,
            topic=self.topic,
            base=self._base,
            jti=self._jti,
            expires=now if self._may_expire else None,
            node=self.url,
        )
        recorder.note(opening)
        try:
            socket = await connect(
                f"{self.url}/ws?topic={self.topic}",
                additional_headers={"Authorization": f"Bearer {self._token}"},
                compression=None,
                ping_interval=None,
                max_size=None,
                max_queue=None,
                open_timeout=_OPEN_S,
                close_timeout=1,
                proxy=None,
            )
        except (OSError, InvalidHandshake, TimeoutError) as error:
            recorder.note(Denied(at=recorder.now, connection=name, why=f"unavailable: {error}"))
            return None
        except asyncio.CancelledError:
            recorder.note(Left(at=recorder.now, connection=name))
            raise
        self._socket = socket
        try:
            while True:
                self._take_in(name, await socket.recv())
        except ConnectionClosed:
            received = socket.protocol.close_rcvd
            code = received.code if received is not None else None
            recorder.note(Closed(at=recorder.now, connection=name, code=code))
            self.codes.append(code)
            return code
        finally:
            self._socket = None
            self.is_in = False
            self.pending.clear()
            socket.transport.abort()

    def _take_in(self, name: str, text: str | bytes) -> None:
        assert isinstance(text, str)
        recorder = self._recorder
        text = recorder.kept(text)
        recorder.note(Heard(at=recorder.now, connection=name, text=text))
        envelope = recorder.read(text)
        if envelope is None:
            id = text[7:43]  # as what members say begins: {"id":"…
            self.pending.discard(id)
            if id in self.awaited:
                self.heard.add(id)
            self._answer_if_asked(text)
        else:
            self._take_system(envelope)

    def _take_system(self, envelope: Any) -> None:
        payload = envelope["payload"]
        match envelope["kind"]:
            case "system/welcome":
                self.roster = {each["id"] for each in payload["participants"]}
                if not self.is_in:
                    self.is_in = True
                    self.welcomed_at.append(self._recorder.now)
            case "system/presence":
                who = payload["participant"]["id"]
                if payload["event"] == "leave":
                    self.roster.discard(who)
                elif who != self.id:
                    self.roster.add(who)
            case "system/error":
                self.pending.discard(envelope.get("correlation_id", ""))
        self.changed.set()

    # Talking

    async def say(
        self, text: str = "hello", kind: str = "chat", id: str | None = None, **members: Any
    ) -> str | None:
        """Send an envelope over the present connection and return its id; `None` without one."""
        socket = self._socket
        if socket is None or not self.is_in:
            return None
        id = id or str(uuid4())
        body = {
            "id": id,
            "protocol": PROTOCOL,
            "from": self.id,
            "kind": kind,
            "payload": {"text": text},
            **members,
        }
        said = self._recorder.kept(orjson.dumps(body).decode())
        self.pending.add(id)
        self._recorder.note(Sent(at=self._recorder.now, connection=self.connection, id=id, text=said))
        with suppress(ConnectionClosed):
            await socket.send(said)
        return id

    async def talk(self, every_s: float) -> None:
        """Say something again and again until cancelled; now and then ask somebody whether it is there."""
        for number in itertools.count():
            if self.roster and not number % _ASKS_EVERY:
                await self.say(kind="mcp/request:ping", to=[min(self.roster)])
            else:
                await self.say(f"{self.id} {number}")
            await asyncio.sleep(every_s)

    def _answer_if_asked(self, text: str) -> None:
        if '"kind":"mcp/request:ping"' not in text:
            return
        request = orjson.loads(text)
        if self.id in request["to"]:
            response = {"to": [request["from"]], "correlation_id": request["id"]}
            answering = asyncio.create_task(self.say(kind="mcp/response:ping", **response))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
