"""A language model's HTTP side: streams what it was given as server-sent events, notes what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class WireServer:
    """Answers each request with the next of its answers."""

    def __init__(self, *answers: Sequence[bytes], status: int = 200, stays_open: bool = False) -> None:
        """`stays_open`: after the frames nothing comes, until whoever asked leaves."""
        self._answers, self._status, self._stays_open = list(answers), status, stays_open
        self.asked: list[Asked] = []
        self.left = asyncio.Event()
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[WireServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value for line in head[1:] if line for name, value in [line.split(": ", 1)]
            }
            body = await reader.readexactly(int(headers["content-length"]))
            self.asked.append(Asked(head[0].split()[1], headers, json.loads(body)))
            kind = b"text/event-stream" if self._status == 200 else b"application/json"
            writer.write(
                b"HTTP/1.1 %d X\r\ncontent-type: %b\r\nconnection: close\r\n\r\n" % (self._status, kind)
            )
            for frame in self._answers.pop(0):
                writer.write(frame)
                await writer.drain()
            if self._stays_open and not await reader.read():
                self.left.set()
        except ConnectionError:
            self.left.set()
        finally:
            writer.close()


def openai_wire(texts: Iterable[str]) -> list[bytes]:
    """A completion in OpenAI's stream: a role first, usage without choices and `[DONE]` at the end."""
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text} for text in texts]
    deltas += [{"tool_calls": [{"index": 0, "function": {"name": "x", "arguments": "{}"}}]}]
    choices: list[list[Any]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices += [[{"index": 0, "delta": {}, "finish_reason": "stop"}], []]
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    frames = [{**head, "choices": one, **({} if one else {"usage": usage})} for one in choices]
    return [*(b"data: %b\n\n" % json.dumps(one).encode() for one in frames), b"data: [DONE]\n\n"]


def anthropic_wire(texts: Iterable[str]) -> list[bytes]:
    """A message in Anthropic's stream: a block of thinking, pings, a block of text."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "m",
    }
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    thought = {"type": "thinking_delta", "thinking": "[TOOL: think]"}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        _begun(0, {"type": "thinking", "thinking": "", "signature": ""}),
        _delta(0, thought),
        {"type": "content_block_stop", "index": 0},
        _begun(1, {"type": "text", "text": ""}),
        {"type": "ping"},
        *(_delta(1, {"type": "text_delta", "text": text}) for text in texts),
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": end, "usage": usage},
        {"type": "message_stop"},
    ]
    return [b"event: %b\ndata: %b\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in events]


def _begun(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}
