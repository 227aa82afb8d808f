"""How long the router takes for an intent: by words, and with the encoder, among few tools and many."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from router_agent import Catalogue, Encoder, ModelUnavailable, Router, Tool, open_encoder, open_router
from router_agent.training import Case, generate
from tests.bench.results import Results, Row

TOOLS: Final = (7, 37, 150)
"""In view: of one server, as many as real users' largest lists, a whole house full."""
INTENTS: Final = 40
"""In each round, none said twice."""
ROUNDS: Final = 3
SEED: Final = 6

_P50: Final = "p50_us"
_P95: Final = "p95_us"
_PLACE: Final = re.compile(r"(<!-- routes -->\n).*?(<!-- /routes -->)", re.DOTALL)


def measure(rounds: int = ROUNDS, intents: int = INTENTS) -> Iterator[Row]:
    """Yield a row for each number of tools and way of reading; tools were met before, intents were not."""
    encoder = _encoder()
    routers = {"words": open_router()} | ({"encoder": open_router(encoder=encoder)} if encoder else {})
    cases = [case for case in islice(generate(SEED, 10_000), 10 * max(TOOLS)) if case.expected]
    for number in range(rounds):
        for count in TOOLS:
            catalogue = _catalogue(cases, count)
            if encoder is not None:
                encoder.read("the tools are met here", [tool.page for tool in catalogue])
            said = [case.intent for case in cases[number * intents : (number + 1) * intents]]
            for how, router in routers.items():
                yield Row(f"route-{count}", how, number, _timed(router, catalogue, said))


def as_markdown(results: Results) -> str:
    """Return the table of a page, in milliseconds; the medians of the rounds."""
    ways = [way for way in ("words", "encoder") if way in results.servers()]
    heads = ["tools in view", *(f"{way}: {what}" for way in ways for what in ("p50", "p95"))]
    lines = [heads, ["---"] * len(heads)]
    for count in TOOLS:
        spreads = [results.spread(f"route-{count}", way, what) for way in ways for what in (_P50, _P95)]
        lines.append([str(count), *(f"{one.median / 1000:.1f}" if one else "–" for one in spreads)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def publish(page: Path, results: Results) -> None:
    """Put the table into its place in the documentation."""
    text, count = _PLACE.subn(
        lambda found: f"{found[1]}\n{as_markdown(results)}\n\n{found[2]}", page.read_text()
    )
    assert count == 1, f"{page} has no place for the times of routes"
    page.write_text(text)


def _encoder() -> Encoder | None:
    """The one that ships; none where llama.cpp is not installed."""
    try:
        return open_encoder()
    except ModelUnavailable:
        return None


def _catalogue(cases: list[Case], count: int) -> Catalogue:
    tools: dict[str, Tool] = {}
    for case in cases:
        for one in case.tools:
            tool = Tool.read("house", one)
            if tool is not None and len(tools) < count:
                tools.setdefault(tool.name, tool)
    return Catalogue.of(tools.values())


def _timed(router: Router, catalogue: Catalogue, said: list[str]) -> dict[str, float]:
    """Microseconds of a route."""
    router.route("the words are met here", catalogue)
    times = []
    for intent in said:
        began = time.perf_counter()
        router.route(intent, catalogue)
        times.append(1e6 * (time.perf_counter() - began))
    times.sort()
    return {_P50: times[len(times) // 2], _P95: times[int(0.95 * len(times))]}
