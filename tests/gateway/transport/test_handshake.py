"""The opening handshake: read as it came, where it is plain, and answered in one write with what follows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.transport import EXTENSION, HttpTransport, WebSocketTransport, http_protocol
from gateway.transport.handshake import plain_handshake
from tests.gateway.transport.wire import FakeTransport, Recorder

HEADERS = {
    "Host": "127.0.0.1:8080",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Authorization": "Bearer a.b-c.d_e",
}
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n"
HELLO = b"\x81\x05hello"

Step = Callable[[dict[str, Any], Any], Awaitable[object]]


def head(target: str = "/ws?topic=ops", *, lines: dict[str, str] | None = None, **changes: str) -> bytes:
    headers = {**HEADERS, **(lines or {})}
    first = f"{changes.get('method', 'GET')} {target} {changes.get('version', 'HTTP/1.1')}"
    fields = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((first, *fields, "", "")).encode("latin-1")


class Socket(FakeTransport):
    """What uvicorn's protocols ask of a transport besides."""

    protocol: Any = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.7", 50_000), "sockname": ("192.0.2.1", 80)}.get(name, default)

    def write_eof(self) -> None: ...

    def can_write_eof(self) -> bool:
        return True


class App:
    """An application that remembers what it was asked, accepts, and takes some more steps."""

    def __init__(self, step: Step | None = None) -> None:
        self._step = step
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append({**scope, "extensions": sorted(scope.get("extensions", ()))})
        if scope["type"] != "websocket":
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})
            return
        assert await receive() == {"type": "websocket.connect"}
        await send({"type": "websocket.accept"})
        if self._step is not None:
            await self._step(scope, send)


def dial(app: App) -> tuple[Socket, HttpTransport]:
    config = Config(app, http=HttpTransport, ws=WebSocketTransport, log_config=None, proxy_headers=False)
    config.load()
    socket, protocol = Socket(), HttpTransport(config, ServerState(), {"kept": "here"})
    protocol.connection_made(socket)
    return socket, protocol


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def attach(scope: dict[str, Any], send: Any) -> None:
    transport: WebSocketTransport = scope["extensions"][EXTENSION]
    transport.attach(Recorder(), max_waiting=1 << 20).write(HELLO)


async def wait(scope: dict[str, Any], send: Any) -> None:
    await asyncio.Event().wait()


# Reading it


def test_a_plain_handshake_is_read_as_it_came() -> None:
    handshake = plain_handshake(head(lines={"X-Who": "it is me"}))

    assert handshake is not None
    assert handshake.target == b"/ws?topic=ops"
    assert handshake.key == HEADERS["Sec-WebSocket-Key"].encode()
    assert handshake.headers[-2:] == [(b"authorization", b"Bearer a.b-c.d_e"), (b"x-who", b"it is me")]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(head()[:-1], id="not whole"),
        pytest.param(head() + b"\x81", id="more behind it"),
        pytest.param(b"\r\n" + head(), id="an empty line before it"),
        pytest.param(head().replace(b"\r\n", b"\n"), id="lines that end otherwise"),
        pytest.param(head(method="POST"), id="another method"),
        pytest.param(head(version="HTTP/1.0"), id="another version of HTTP"),
        pytest.param(head("http://elsewhere/ws"), id="an absolute address"),
        pytest.param(head("/ws#part"), id="a fragment"),
        pytest.param(head("/w\xe9"), id="an address beyond ASCII"),
        pytest.param(head(lines={"X": "\xe9"}), id="a value beyond ASCII"),
        pytest.param(head(lines={"X": "a\x00b"}), id="a zero byte"),
        pytest.param(head(lines={"X": "a\r\n folded"}), id="a folded line"),
        pytest.param(head(lines={"X": ""}), id="an empty value"),
        pytest.param(head(lines={"X ": "a"}), id="a space in a name"),
        pytest.param(head(lines={"upgrade": "websocket"}), id="a header twice"),
        pytest.param(head(lines={"Upgrade": "h2c"}), id="another protocol"),
        pytest.param(head(lines={"Connection": "close"}), id="no upgrade"),
        pytest.param(head(lines={"Connection": "close, upgrade"}), id="an end as well"),
        pytest.param(head(lines={"Content-Length": "5"}), id="a body"),
        pytest.param(head(lines={"Transfer-Encoding": "chunked"}), id="a body in chunks"),
        pytest.param(head(lines={"Expect": "100-continue"}), id="a question before it"),
        pytest.param(head(lines={"Sec-WebSocket-Version": "8"}), id="another version"),
        pytest.param(head(lines={"Sec-WebSocket-Key": "c2hvcnQ="}), id="a short key"),
    ],
)
def test_anything_odd_is_left_to_the_parser(data: bytes) -> None:
    assert plain_handshake(data) is None


SPELLINGS: st.SearchStrategy[Callable[[str], str]] = st.sampled_from([str.lower, str.upper, str.title, str])
VALUES = st.text(st.sampled_from("aZ09 ,;=/\"'\\\t<>{}:@~%"), max_size=12)
NAMES = st.text(st.sampled_from("aZ09-_!#"), min_size=1, max_size=8)
TARGETS = st.text(st.sampled_from("aZ09/?&=%+.~:@-_"), max_size=20).map(lambda rest: f"/{rest}")


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Heads of which most are plain, spelt in many ways."""
    chosen = {**HEADERS, "Connection": draw(st.sampled_from(["Upgrade", "keep-alive, Upgrade", "UPGRADE"]))}
    chosen |= draw(st.dictionaries(NAMES, VALUES, max_size=3))
    names = list(chosen)
    random.Random(draw(st.integers(0, 1000))).shuffle(names)
    spelt = {draw(SPELLINGS)(name): chosen[name] for name in names}
    lines = [f"GET {draw(TARGETS)} HTTP/1.1", *(f"{name}: {value}" for name, value in spelt.items())]
    return "\r\n".join((*lines, "", "")).encode()


async def asked(data: bytes) -> list[dict[str, Any]]:
    app = App()
    _, protocol = dial(app)
    protocol.data_received(data)
    await turns()
    return app.scopes


@given(data=heads())
def test_what_is_plain_means_to_the_parser_what_it_means_here(data: bytes) -> None:
    async def compare() -> None:
        with pytest.MonkeyPatch.context() as patch:
            as_it_came = await asked(data)
            patch.setattr(http_protocol, "plain_handshake", lambda _: None)
            assert await asked(data) == as_it_came
        assert as_it_came[0]["state"] == {"kept": "here"}

    if plain_handshake(data) is not None:
        asyncio.run(compare())


async def test_the_application_gets_the_whole_scope_of_asgi() -> None:
    (scope,) = await asked(head("/a%20b?topic=ops", lines={"Sec-WebSocket-Protocol": "one, two"}))

    assert scope.pop("asgi") == {"version": "3.0", "spec_version": "2.4"}
    assert scope.pop("headers")[0] == (b"host", b"127.0.0.1:8080")
    assert scope == {
        "type": "websocket",
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("192.0.2.1", 80),
        "client": ("192.0.2.7", 50_000),
        "root_path": "",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"topic=ops",
        "state": {"kept": "here"},
        "subprotocols": ["one", "two"],
        "extensions": [EXTENSION, "websocket.http.response"],
    }


async def test_only_what_comes_first_is_read_so() -> None:
    app = App()
    _, protocol = dial(app)
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    await turns()
    protocol.data_received(head())
    await turns()

    assert [scope["type"] for scope in app.scopes] == ["http", "websocket"]


async def test_a_handshake_in_pieces_is_read_by_the_parser() -> None:
    app = App()
    _, protocol = dial(app)
    for piece in (head()[:30], head()[30:]):
        protocol.data_received(piece)
    await turns()

    assert app.scopes == await asked(head())


@pytest.mark.parametrize("pieces", [1, 2])
async def test_the_deadline_is_for_the_head_alone(monkeypatch: pytest.MonkeyPatch, pieces: int) -> None:
    monkeypatch.setattr(HttpTransport, "head_timeout_s", 0.01)
    socket, protocol = dial(App(wait))
    middle = len(head()) // pieces
    for piece in (head()[:middle], head()[middle:]):
        if piece:
            protocol.data_received(piece)
    await asyncio.sleep(0.05)

    assert not socket.is_aborted


async def test_a_plain_head_over_the_limit_is_431_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpTransport, "max_head_bytes", 100)
    app = App()
    socket, protocol = dial(app)
    protocol.data_received(head())
    protocol.connection_lost(None)
    await turns()

    assert not app.scopes
    assert socket.written[0].startswith(b"HTTP/1.1 431 ")


# Answering it


async def answered(step: Step | None = None) -> Socket:
    socket, protocol = dial(App(step))
    protocol.data_received(head())
    await turns()
    return socket


async def test_what_is_said_at_once_leaves_with_the_answer_and_in_a_later_turn() -> None:
    socket, protocol = dial(App(attach))
    protocol.data_received(head())
    await asyncio.sleep(0)
    assert not socket.written, "others' earlier messages are read first"
    await turns()

    (written,) = socket.written
    assert written.startswith(ANSWER)
    assert written.endswith(b"\r\n\r\n" + HELLO)


async def test_who_waits_before_it_attaches_lets_the_answer_go() -> None:
    released = asyncio.Event()

    async def later(scope: dict[str, Any], send: Any) -> None:
        await released.wait()
        await attach(scope, send)

    socket = await answered(later)
    assert [data[:7] for data in socket.written] == [ANSWER[:7]]

    released.set()
    await turns()
    assert socket.written[1:] == [HELLO]


async def test_who_is_attached_and_closed_at_once_hears_all_of_it() -> None:
    async def attach_and_close(scope: dict[str, Any], send: Any) -> None:
        connection = scope["extensions"][EXTENSION].attach(Recorder(), max_waiting=1 << 20)
        connection.write(HELLO)
        connection.close(4401, "enough")
        connection.write(b"\x81\x04late")

    socket = await answered(attach_and_close)

    (written,) = socket.written
    assert written.endswith(b"\r\n\r\n" + HELLO + b"\x88\x08\x11\x31enough")
    socket.protocol.connection_lost(None)


async def test_what_is_held_back_for_a_turn_is_bounded_by_nothing_and_stays_in_order() -> None:
    async def attach_and_say_much(scope: dict[str, Any], send: Any) -> None:
        connection = scope["extensions"][EXTENSION].attach(Recorder(), max_waiting=4)
        connection.write(HELLO)
        connection.write_long(b"\x81\x04", b"long")

    socket = await answered(attach_and_say_much)

    (written,) = socket.written
    assert written.endswith(b"\r\n\r\n" + HELLO + b"\x81\x04long")


async def test_a_socket_that_takes_nothing_keeps_what_comes_after_waiting() -> None:
    socket, protocol = dial(App(attach))
    socket.buffered = 100
    protocol.data_received(head())
    await turns()
    socket.protocol.write(b"\x81\x05later")

    assert len(socket.written) == 1
    socket.buffered = 0
    socket.protocol.resume_writing()
    assert socket.written[1:] == [b"\x81\x05later"]


@pytest.mark.parametrize("step", [wait, attach])
async def test_who_goes_before_the_answer_leaves_is_written_nothing(step: Step) -> None:
    socket, protocol = dial(App(step))
    protocol.data_received(head())
    await asyncio.sleep(0)
    socket.protocol.connection_lost(None)
    socket.is_aborted = True
    await turns()

    assert not socket.written


async def test_who_accepts_and_returns_is_answered_and_closed() -> None:
    socket = await answered()

    (written,) = socket.written
    assert written.startswith(ANSWER)
    assert socket.is_closed


async def test_who_accepts_and_breaks_is_answered_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(scope: dict[str, Any], send: Any) -> None:
        raise ValueError("broken on purpose")

    socket = await answered(breaks)

    (written,) = socket.written
    assert written.startswith(ANSWER)
    assert socket.is_closed
    assert "broken on purpose" in caplog.text
