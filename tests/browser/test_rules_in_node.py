"""The page's rules without a page, and that they agree with the gateway's and the library's."""

from __future__ import annotations

import copy
import json
import random
from typing import Any, Final

from capabilities import Pattern, PatternError
from participants.conversation.reading import check_speaker, read
from schemas import Envelope, EnvelopeError, Kind, KindError, PayloadError
from tests.browser.node import UNIT, run_node
from tests.spec_examples import ENVELOPES

PAIRS: Final = 40_000
MUTANTS: Final = 6_000
_FAMILIES: Final = (
    "mcp/request",
    "mcp/response",
    "mcp/proposal",
    "mcp/withdraw",
    "mcp/reject",
    "mcp",
    "chat",
    "x-a/b",
    "system/x",
    "Presence",
)
_METHODS: Final = ("tools/call", "tools/list", "resources/read", "resources/templates/list", "ping", "x/list")
_CONTEXTS: Final = ("x", "x/list", "file:///a:b", "*", "a:*:b", ":", "::", "tools/list")


async def test_every_unit_test_of_the_page_passes() -> None:
    tests = sorted(str(path) for path in UNIT.glob("*.test.mjs"))

    status, output = await run_node("--test", *tests)

    assert tests
    assert status == 0, output


async def test_the_page_grants_what_the_gateway_grants() -> None:
    chance = random.Random(20250826)
    kinds = [_kind(chance) for _ in range(PAIRS)]
    pairs = [(_pattern(chance.choice((kind, _kind(chance))), chance), kind) for kind in kinds]
    valid = [(pattern, kind) for pattern, kind in pairs if _is_pattern(pattern) and _is_kind(kind)]

    granted = (await _answers(pairs=valid))["granted"]

    expected = [Pattern.parse(pattern).grants(Kind.parse(kind)) for pattern, kind in valid]
    assert expected.count(True) > 1_000
    assert [
        pair for pair, is_granted, by in zip(valid, granted, expected, strict=True) if is_granted != by
    ] == []


async def test_the_page_takes_and_refuses_the_envelopes_of_participants_that_the_library_does() -> None:
    chance = random.Random(4)
    examples = [one for one in (*ENVELOPES.values(), *_MORE) if one["from"] != "system:gateway"]
    texts = [json.dumps(example) for example in examples]
    texts += [json.dumps(_mutated(chance.choice(examples), chance)) for _ in range(MUTANTS)]
    texts += [text.replace('"', '"method": "x", "', 1) for text in texts[:20]]

    refused = (await _answers(envelopes=texts))["refused"]

    expected = [_why_refused(text) for text in texts]
    assert expected.count(None) > 200
    disagreed = [
        (text, "page:", page, "library:", library)
        for text, page, library in zip(texts, refused, expected, strict=True)
        if (page is None) != (library is None)
    ]
    assert disagreed == []


async def _answers(**questions: Any) -> Any:
    status, output = await run_node("answers.mjs", stdin=json.dumps(questions).encode())
    assert status == 0, output
    return json.loads(output)


def _kind(chance: random.Random) -> str:
    parts = [chance.choice(_FAMILIES), chance.choice(_METHODS), chance.choice(_CONTEXTS)]
    return ":".join(parts[: chance.choice((1, 2, 2, 3, 3, 3))])


def _pattern(text: str, chance: random.Random) -> str:
    """Turn up to two stretches of a kind into `*`."""
    for _ in range(chance.randrange(3)):
        start = chance.randint(0, len(text))
        text = text[:start] + "*" + text[chance.randint(start, len(text)) :]
    return text


def _is_pattern(text: str) -> bool:
    try:
        Pattern.parse(text)
    except PatternError:
        return False
    return True


def _is_kind(text: str) -> bool:
    try:
        Kind.parse(text)
    except KindError:
        return False
    return True


def _why_refused(text: str) -> str | None:
    try:
        envelope = Envelope.parse(text.encode())
        check_speaker(envelope)
        read(envelope)
    except (EnvelopeError, PayloadError) as error:
        return str(error)
    return None


_MORE: Final[list[dict[str, Any]]] = [
    {
        "protocol": "mcpx/v0.1",
        "id": "e",
        "from": "ann",
        "kind": "mcp/reject:tools/call:x",
        "correlation_id": "p",
        "payload": {"reason": "denied", "message": "no"},
    },
    {
        "protocol": "mcpx/v0.1",
        "id": "e",
        "from": "agent",
        "kind": "mcp/withdraw:tools/call:x",
        "correlation_id": "p",
        "payload": {"reason": "timeout"},
    },
    {
        "protocol": "mcpx/v0.1",
        "id": "e",
        "from": "files",
        "to": ["ann"],
        "kind": "mcp/request:notifications/progress",
        "correlation_id": "r",
        "payload": {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}},
    },
    {
        "protocol": "mcpx/v0.1",
        "id": "e",
        "from": "agent",
        "kind": "mcp/proposal:resources/read:file:///a",
        "payload": {
            "method": "resources/read",
            "params": {"uri": "file:///a"},
            "expiresAt": "2025-08-26T14:05:00Z",
        },
    },
    {"protocol": "mcpx/v0.1", "id": "e", "from": "x", "kind": "x-acme/thing", "payload": {}},
]

_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, 0, 1, 1.5, -32001, [], ["ann"], [1], {}, {"name": "x"}),
    *("", "x", "chat", "system/presence", "mcp/request:tools/call:x", "mcp/response:x", "tools/call"),
    *("2025-08-26T14:00:00Z", "2025-02-30T00:00:00Z", "2025-08-26 14:00:00Z"),
    *("ä", "a b", "system:gateway", "join", "markdown", "2.0"),
)
_NAMES: Final = (
    "id",
    "auth",
    "method",
    "result",
    "error",
    "params",
    "correlation_id",
    "to",
    "ts",
    "Kind",
    "expiresAt",
    "extra",
    "reason",
)


def _mutated(example: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Change one to three members somewhere in an envelope."""
    mutant = copy.deepcopy(example)
    for _ in range(chance.randint(1, 3)):
        place = _some_object(mutant, chance)
        names = list(place)
        if names and chance.random() < 0.2:
            del place[chance.choice(names)]
        elif chance.random() < 0.3:
            place[chance.choice(_NAMES)] = copy.deepcopy(chance.choice(_VALUES))
        elif names:
            place[chance.choice(names)] = copy.deepcopy(chance.choice(_VALUES))
    return mutant


def _some_object(value: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    within = [item for item in value.values() if isinstance(item, dict)]
    return _some_object(chance.choice(within), chance) if within and chance.random() < 0.6 else value
