"""A local model as the one that reasons: llama.cpp's own stream, in turns, and left in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest
from llama_cpp import Llama

from router_agent.harness import EventType, Limits, Turn, converse
from router_agent.reasoning import LlamaModel
from router_agent.training.gemma import GemmaShape, export_gemma, random_weights
from tests.router_agent.test_harness import Recorder

SHAPE = GemmaShape()
TURNS = [Turn("user", "How is Oslo?"), Turn("user", "And Bergen?")]
OPTIONS = {"temperature": 0.0, "max_tokens": 12}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    path = tmp_path_factory.mktemp("reasoning") / "model.gguf"
    weights = {
        name: value * 4 if value.ndim == 2 else value for name, value in random_weights(SHAPE, 7).items()
    }
    export_gemma(path, SHAPE, weights)
    found = Llama(str(path), n_ctx=512, n_threads=1, verbose=False)
    yield found
    found.close()


def whole(llama: Any, said: str) -> str:
    """What the model says without streaming, to compare with."""
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": said}]
    return str(llama.create_chat_completion(messages=messages, **OPTIONS)["choices"][0]["message"]["content"])


async def streamed(model: LlamaModel, said: str) -> str:
    async with aclosing(model.stream("s", [Turn("user", said)])) as pieces:
        return "".join([piece async for piece in pieces])


async def test_pieces_add_up_to_what_the_model_says_at_once(llama: Llama) -> None:
    model = LlamaModel(llama, **OPTIONS)
    async with asyncio.timeout(60):
        assert await streamed(model, "How is Oslo?") == whole(llama, "How is Oslo?") != ""


async def test_two_conversations_take_turns_and_change_nothing_for_each_other(llama: Llama) -> None:
    model = LlamaModel(llama, **OPTIONS)
    async with asyncio.timeout(60):
        one, other = await asyncio.gather(streamed(model, "How is Oslo?"), streamed(model, "And Bergen?"))

    assert [one, other] == [whole(llama, "How is Oslo?"), whole(llama, "And Bergen?")]


async def test_who_reads_slowly_holds_up_nobody_else(llama: Llama) -> None:
    model = LlamaModel(llama, **OPTIONS)
    async with asyncio.timeout(60), aclosing(model.stream("s", TURNS)) as slow:
        await anext(slow)

        assert await streamed(model, "How is Oslo?") == whole(llama, "How is Oslo?")


async def test_a_conversation_that_is_left_makes_room_for_the_next(llama: Llama) -> None:
    model = LlamaModel(llama, **OPTIONS)
    async with asyncio.timeout(60):
        async with aclosing(model.stream("s", TURNS)) as pieces:
            await anext(pieces)
        left = asyncio.create_task(streamed(model, "And Bergen?"))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.wait({left})

        assert await streamed(model, "How is Oslo?") == whole(llama, "How is Oslo?")


async def test_a_text_that_does_not_fit_is_an_error_and_no_end(llama: Llama) -> None:
    model = LlamaModel(llama, **OPTIONS)
    async with asyncio.timeout(60):
        events = [
            event
            async for event in converse(
                model, Recorder(), "s", [Turn("user", "long " * 600)], limits=Limits(turns=2)
            )
        ]
        assert await streamed(model, "How is Oslo?") == whole(llama, "How is Oslo?")

    assert [event.type for event in events] == [EventType.ERROR, EventType.DONE]
