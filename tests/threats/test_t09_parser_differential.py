"""
T9: two readers see two different headers in one text.

`RELAYED` in the environment sets how many texts are compared: `make differential` reads a hundred thousand.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser

from schemas import Envelope, EnvelopeError
from tests.threats.differing_texts import JAVASCRIPT, READERS, Header, read_by, read_by_node, relayed

COUNT: Final = int(os.environ.get("RELAYED") or 3_000)
SEED: Final = 9
BATCH: Final = 5_000


@pytest.fixture(scope="module")
def texts() -> list[tuple[bytes, Header]]:
    return relayed(SEED, COUNT)


def differing(
    texts: list[tuple[bytes, Header]], read: list[Header | None]
) -> list[tuple[bytes, Header | None]]:
    """The texts in which a reader sees another header; one that refuses the whole text sees none."""
    return [
        (data, seen)
        for (data, header), seen in zip(texts, read, strict=True)
        if seen is not None and seen != header
    ]


@pytest.mark.parametrize("name", READERS)
def test_every_python_reader_sees_the_header_that_the_gateway_judged(
    texts: list[tuple[bytes, Header]], name: str
) -> None:
    read = [read_by(READERS[name], data) for data, _ in texts]

    assert differing(texts, read) == []
    assert sum(seen is None for seen in read) < len(read) / 3, "who refuses nearly everything proves nothing"


async def test_node_sees_the_header_that_the_gateway_judged(
    texts: list[tuple[bytes, Header]], tmp_path: Path
) -> None:
    read = await read_by_node([data for data, _ in texts], tmp_path)

    assert differing(texts, read) == []
    assert None not in read, "JSON.parse reads whatever the gateway relays"


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_a_browser_sees_the_header_that_the_gateway_judged(
    texts: list[tuple[bytes, Header]], chromium: Browser
) -> None:
    page = await chromium.new_page()
    read: list[Header | None] = []
    for at in range(0, len(texts), BATCH):
        batch = [data.decode() for data, _ in texts[at : at + BATCH]]
        read += await page.evaluate(f"texts => {{ {JAVASCRIPT} return texts.map(read); }}", batch)
    await page.close()

    assert differing(texts, read) == []
    assert None not in read


@pytest.mark.parametrize(
    "text",
    [
        b'{"protocol":"mcpx/v0.1","id":"a","from":"ann","kind":"chat","kind":"system/x","payload":{}}',
        b'{"protocol":"mcpx/v0.1","id":"a","from":"ann","kind":"chat","\\u006bind":"system/x","payload":{}}',
        b'{"protocol":"mcpx/v0.1","id":"a","from":"ann","kind":"chat","Kind":"system/x","payload":{}}',
        b'{"protocol":"mcpx/v0.1","id":"a","from":"ann","kind":"chat","payload":{},"payload":{"a":1}}',
        b'{"protocol":"mcpx/v0.1","id":"a","from":"ann","kind":"chat","x":NaN,"payload":{}}',
        b'{"protocol":"mcpx/v0.1","id":"\\ud800","from":"ann","kind":"chat","payload":{}}',
        b'\xef\xbb\xbf{"protocol":"mcpx/v0.1","id":"a","from":"ann","kind":"chat","payload":{}}',
    ],
)
def test_what_two_readers_would_read_differently_is_refused(text: bytes) -> None:
    with pytest.raises(EnvelopeError):
        Envelope.parse(text)
