"""Envelopes that two JSON readers might read differently, and every reader that this project can ask."""

from __future__ import annotations

import asyncio
import json
import shutil
import string
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import orjson

from schemas import Envelope, EnvelopeError

FIELDS: Final = ("protocol", "id", "ts", "from", "to", "kind", "correlation_id")
Header = list[Any]
"""The seven fields in order; `None` where one is missing, and no `to` is an empty one."""

_NAMES: Final = (
    *FIELDS,
    "payload",
    "x",
    "auth",
    "Kind",
    "FROM",
    "__proto__",
    "constructor",
    "",
    "toString",
    "kınd",
)
_VALUES: Final = (
    '"mcpx/v0.1"', '"chat"', '"mcp/request:tools/call:x"', '"ann"', '"e1"', '["bob"]', "[]", "{}", "null",
    "true", "0", "-0", "1e400", "-1E+999", "18446744073709551616", "0.1e-7", "NaN", "Infinity", '"\\ud800"',
    '"\\udc00x"', '"\\ud83d\\ude00"', '"\\u0000"', '"a\\/b"', '"\u2028"', '"\U0001f600"', '"é"', '"e\u0301"',
    '"\ufeff"', '{"kind":"system/x","kind":"chat"}', '{"a":1,"a":2}', '{"__proto__":{"kind":"x"}}', "1.0",
    '["\\"kind\\":"]', '"2025-08-26T14:00:00Z"', "[[[[]]]]", '"\\u0063hat"', '"}"', "01", "'x'",
    '",\\"kind\\":\\"system/x\\""',
)  # fmt: skip  # a list of words, not a line for each
_PLAIN: Final = {
    "protocol": '"mcpx/v0.1"',
    "id": '"e1"',
    "from": '"ann"',
    "kind": '"chat"',
    "payload": '{"text":"hi"}',
}
_SPACES: Final = ("", "", "", " ", "\n", "\t", "\r\n", "\x0b", "\xa0", "\ufeff", "/**/")


def texts(seed: int) -> Iterator[bytes]:
    """Yield texts without end: an envelope each, with something strange about most."""
    random = Random(seed)
    while True:
        data = _text(random).encode("utf-8", "surrogatepass")
        for _ in range(random.choice((0, 0, 0, 1, 2))):
            data = _slipped(random, data)
        yield data


def relayed(seed: int, count: int) -> list[tuple[bytes, Header]]:
    """Return so many texts that the gateway would relay, each with the header as it reads it."""
    found: list[tuple[bytes, Header]] = []
    for data in texts(seed):
        try:
            envelope = Envelope.parse(data)
        except EnvelopeError:
            continue
        header: Header = ["mcpx/v0.1", envelope.id, envelope.ts, envelope.sender, list(envelope.to)]
        found.append((data, [*header, str(envelope.kind), envelope.correlation_id]))
        if len(found) == count:
            return found
    raise AssertionError("the texts never end")


def _text(random: Random) -> str:
    members = list(_PLAIN.items())
    if random.random() < 0.3:
        members.append(("to", '["bob","eve"]'))
    if random.random() < 0.3:
        members.append(("correlation_id", '"e0"'))
    if random.random() < 0.2:
        members.append(("ts", '"2025-08-26T14:00:00.5+02:00"'))
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        members += [(random.choice(_NAMES), random.choice(_VALUES))]
    if random.random() < 0.5:
        at = random.randrange(len(members))
        members[at] = (members[at][0], random.choice(_VALUES))
    if random.random() < 0.5:
        at = next(n for n, (name, _) in enumerate(members) if name == "payload")
        members[at] = ("payload", '{"a":' + random.choice(_VALUES) + ',"b":' + random.choice(_VALUES) + "}")
    random.shuffle(members)

    def gap() -> str:
        return random.choice(_SPACES) if random.random() < 0.2 else ""

    body = ",".join(f"{gap()}{_key(random, name)}{gap()}:{gap()}{value}{gap()}" for name, value in members)
    return f"{gap()}{{{body}}}{gap()}"


def _key(random: Random, name: str) -> str:
    if name and random.random() < 0.05:
        at = random.randrange(len(name))
        return f'"{name[:at]}\\u{ord(name[at]):04x}{name[at + 1 :]}"'
    return f'"{name}"'


def _slipped(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    match random.randrange(4):
        case 0:
            return data[:at] + data[at + 1 :]
        case 1:
            return data[:at] + random.choice(string.printable).encode() + data[at:]
        case 2:
            return data[:at] + bytes((random.randrange(256),)) + data[at + 1 :]
        case _:
            end = random.randrange(at, len(data))
            return data[:end] + data[at:end] + data[end:]


READERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "json": lambda data: json.loads(data.decode()),
    "orjson": orjson.loads,
    "msgspec": msgspec.json.Decoder().decode,
}

JAVASCRIPT: Final = """
const FIELDS = ["protocol", "id", "ts", "from", "to", "kind", "correlation_id"];
const read = text => {
    let value;
    try { value = JSON.parse(text); } catch { return null; }
    return FIELDS.map(field => Object.hasOwn(value, field) ? value[field] : field === "to" ? [] : null);
};
"""
"""`read(text)`: the header by JSON.parse, `null` where it refuses."""


def read_by(reader: Callable[[bytes], Any], data: bytes) -> Header | None:
    """Return the header as a reader of Python sees it, `None` where it refuses the text."""
    try:
        value = reader(data)
    except (ValueError, RecursionError, msgspec.DecodeError):
        return None
    return [value.get(field, [] if field == "to" else None) for field in FIELDS]


async def read_by_node(data: Sequence[bytes], directory: Path) -> list[Header | None]:
    """Return the headers as Node's JSON.parse sees them."""
    node = shutil.which("node")
    assert node is not None, "Node.js is not installed; `make test` installs it"
    given, script = directory / "texts.json", directory / "read.js"
    given.write_bytes(orjson.dumps([text.decode() for text in data]))
    script.write_text(
        f"{JAVASCRIPT}\nconst given = require('fs').readFileSync({json.dumps(str(given))}, 'utf8');\n"
        "const texts = JSON.parse(given);\n"
        "process.stdout.write(JSON.stringify(texts.map(read)));\n"
    )
    process = await asyncio.create_subprocess_exec(node, str(script), stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    headers: list[Header | None] = orjson.loads(output)
    return headers
