"""Reasoning models behind one protocol: OpenAI-compatible, Anthropic, and a local llama.cpp model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from router_agent.harness import Turn
from router_agent.workers import Workers


class OpenAIModel:
    """A model behind an `AsyncOpenAI` client, or one that speaks the same (extra `harness`)."""

    def __init__(self, client: Any, model: str, **options: Any) -> None:
        """`options` go with each request, such as `temperature`."""
        self._client, self._model, self._options = client, model, options

    async def stream(self, system: str, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        """Yield the text deltas of one completion."""
        messages = [{"role": "system", "content": system}] + [
            {"role": turn.role, "content": turn.text} for turn in merged(turns)
        ]
        chunks = await self._client.chat.completions.create(
            model=self._model, messages=messages, stream=True, **self._options
        )
        try:
            async for chunk in chunks:
                for choice in chunk.choices[:1]:
                    if choice.delta.content:
                        yield choice.delta.content
        finally:
            await chunks.close()


class AnthropicModel:
    """A model behind an `AsyncAnthropic` client (extra `harness`)."""

    def __init__(self, client: Any, model: str, *, max_tokens: int = 4096, **options: Any) -> None:
        """`options` go with each request."""
        self._client, self._model = client, model
        self._options = {"max_tokens": max_tokens, **options}

    async def stream(self, system: str, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        """Yield the text deltas of one message."""
        messages = [{"role": turn.role, "content": turn.text} for turn in merged(turns)]
        async with self._client.messages.stream(
            model=self._model, system=system, messages=messages, **self._options
        ) as stream:
            async for text in stream.text_stream:
                yield text


class LlamaModel:
    """A local model by llama-cpp-python, on a thread of its own; conversations take turns."""

    def __init__(self, llama: Any, **options: Any) -> None:
        """`llama` is a `llama_cpp.Llama`, used by nobody else; `options` go with each completion."""
        self._llama, self._options = llama, options
        self._workers = Workers("reasoning")

    async def stream(self, system: str, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        """Yield the text deltas of one completion; who reads slowly holds up nobody else's."""
        messages = [{"role": "system", "content": system}] + [
            {"role": turn.role, "content": turn.text} for turn in merged(turns)
        ]
        loop, left = asyncio.get_running_loop(), threading.Event()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()  # no more than a context has room for

        def say() -> None:
            try:
                for chunk in self._llama.create_chat_completion(
                    messages=messages, stream=True, **self._options
                ):
                    if left.is_set():
                        return
                    text = chunk["choices"][0]["delta"].get("content")
                    if text:
                        loop.call_soon_threadsafe(pieces.put_nowait, text)
            finally:
                loop.call_soon_threadsafe(pieces.put_nowait, None)

        work = self._workers.submit(say)
        try:
            while (text := await pieces.get()) is not None:
                yield text
            await asyncio.wrap_future(work)
        finally:
            left.set()
            work.cancel()


def merged(turns: Sequence[Turn]) -> list[Turn]:
    """Join turns of one role that follow each other: some models take only turns that alternate."""
    out: list[Turn] = []
    for turn in turns:
        if out and out[-1].role == turn.role:
            out[-1] = Turn(turn.role, f"{out[-1].text}\n\n{turn.text}")
        else:
            out.append(turn)
    return out
