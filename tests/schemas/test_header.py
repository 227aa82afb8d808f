"""The compiled half of reading an envelope: what it takes, Python takes too and reads the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import PROTOCOL, Envelope, EnvelopeError, Kind, KindError, encode_envelope, envelope

compiled = pytest.importorskip("schemas._header", reason="there was no compiler when this was installed")
read = compiled.Reader(Envelope, Kind.parse, KindError, PROTOCOL.encode(), lambda _: None)

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    ["ann", "bob.2", "a@b", "System", "systemic", "sys", "x" * 128, "x" * 129, "a b", ""]
)
_TIMES = st.sampled_from(
    [
        "2026-01-12T09:30:00Z",
        "2024-02-29t23:59:60.123456789z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "2026-01-12T09:30:00+23:59",
        "2026-01-12T09:30:00-00:00",
        "2026-01-12T09:30:00+24:00",
        "2026-01-12T09:30:00+01:60",
        "2026-01-12T24:00:00Z",
        "2026-13-12T09:30:00Z",
        "2026-04-31T09:30:00Z",
        "2026-01-00T09:30:00Z",
        "2026-01-12T09:60:00Z",
        "2026-01-12T09:30:61Z",
        "2026-01-12T09:30:00.Z",
        "2026-01-12T09:30:00.1234567890Z",
        "2026-01-12T09:30:00",
        "2026-01-12T09:30:00Z+01:00",
        "2026-01-12 09:30:00Z",
        "2026-01-12T09:30",
        "",
    ]
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """An envelope as somebody may write it, rules kept or not: its members in any order and any spacing."""
    members: dict[str, Any] = {
        "protocol": draw(st.sampled_from([PROTOCOL, PROTOCOL, PROTOCOL, "mcpx/v0.2"])),
        "id": draw(
            st.text(st.characters(max_codepoint=130), max_size=6) | st.sampled_from(["e" * 128, "e" * 129])
        ),
        "from": draw(_NAMES),
        "kind": draw(
            st.sampled_from(["chat", "mcp/request:tools/call:x", "a:b:c:d", "a::b", "*", "a b", ""])
        ),
        "payload": draw(st.dictionaries(st.text(max_size=4), _JSON, max_size=4) | _JSON),
        "ts": draw(_TIMES),
        "to": draw(st.lists(_NAMES, max_size=3)),
        "correlation_id": draw(st.sampled_from(["c-1", "", "\u00e9", "\\"])),
        "auth": "x",
    }
    names = draw(st.permutations(["protocol", "id", "from", "kind", "payload"]))
    names += draw(st.lists(st.sampled_from(["ts", "to", "correlation_id"]), max_size=3, unique=True))
    names += draw(st.lists(st.sampled_from([*members]), max_size=1))
    is_ascii, space = draw(st.booleans()), draw(st.sampled_from(["", " ", "\n\t", "\r"]))
    parts = [
        f"{json.dumps(name)}{space}:{space}{json.dumps(members[name], ensure_ascii=is_ascii)}"
        for name in names
    ]
    text = f"{space}{{{space}{f'{space},{space}'.join(parts)}{space}}}{space}"
    return text.encode("utf-8", "surrogatepass")


@st.composite
def torn(draw: st.DrawFn) -> bytes:
    """The same, with a few bytes changed, gone, or come twice."""
    data = bytearray(draw(texts()))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        piece = draw(
            st.sampled_from([b"", b"\x00", b'"', b"\\", b"{", b"}", b",", b"0", b"\xc3", b"\xed\xa0\x80"])
        )
        data[at : at + draw(st.integers(0, 2))] = piece
    return bytes(data)


def _as_python(data: bytes) -> Envelope | EnvelopeError:
    try:
        return envelope.parse_in_python(data)
    except EnvelopeError as error:
        return error


@given(texts() | torn())
@example(encode_envelope(id="1", ts="2026-01-12T09:30:00Z", sender="a", kind="chat", payload={}) + b"\x00")
def test_what_is_read_compiled_is_read_the_same_in_python(data: bytes) -> None:
    found = read(data)
    if found is not None:
        assert found == _as_python(data)
        assert json.loads(data)["payload"] == json.loads(found.raw_payload)


@given(
    _JSON,
    st.lists(st.sampled_from(["ann", "bob.2", "x" * 128]), max_size=256),
    st.sampled_from([None, "c-1"]),
)
def test_whatever_a_payload_holds_it_is_read_compiled(
    payload: Any, to: list[str], correlation: str | None
) -> None:
    members: dict[str, Any] = {
        "protocol": PROTOCOL,
        "id": "e-1",
        "ts": "2026-01-12T09:30:00.123Z",
        "from": "ann",
        "kind": "chat",
    }
    if to:
        members["to"] = to
    if correlation is not None:
        members["correlation_id"] = correlation
    data = json.dumps({**members, "payload": {"": payload}}).encode()
    found = read(data)
    assert found == _as_python(data)
    assert found is not None
    assert found.to == tuple(to)


def _with_payload(payload: bytes) -> bytes:
    return b'{"protocol":"mcpx/v0.1","id":"1","from":"a","kind":"chat","payload":' + payload + b"}"


@pytest.mark.parametrize(
    "payload",
    [
        *(
            b'{"n":' + number + b"}"
            for number in (b"01", b"-", b"1.", b".5", b"1e", b"1e+", b"+1", b"0x1", b"1 2")
        ),
        *(b'{"w":' + word + b"}" for word in (b"tru", b"truE", b"nul", b"falsee", b"NaN", b"Infinity")),
        *(
            b'{"s":"' + string + b'"}'
            for string in (
                b"\x1f",
                b"\\x",
                b"\\u12g4",
                b"\\u123",
                b"\\ud83d",
                b"\\ude00",
                b"\\ud83d\\ud83d",
                b"\\ud83dx",
                b"\\ud83d\\n",
                b"\xff",
                b"\x00",
            )
        ),
        b"{]",
        b'{"a":[}',
        b'{"a":1]',
        b'{"a":1,}',
        b'{"a":[1,]}',
        b'{"a"}',
        b'{"a":}',
        b"{,}",
        b"{1:2}",
        b"{'a':1}",
        b'{"a":"b}',
        b"[]",
        b'""',
        b"{}{}",
        b'{"a":1',
        b"",
    ],
)
def test_a_payload_that_is_no_json_object_is_left_to_python(payload: bytes) -> None:
    assert read(_with_payload(payload)) is None


@pytest.mark.parametrize(("levels", "is_plain"), [(511, True), (512, False), (100_000, False)])
def test_a_payload_nested_deeper_than_anybody_needs_is_left_to_python(levels: int, is_plain: bool) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        inner = opening * levels + (b"1" if opening != b"[" else b"") + closing * levels
        assert (read(_with_payload(b'{"a":' + inner + b"}")) is not None) is is_plain


@pytest.mark.parametrize("size", range(40))
def test_a_mark_is_found_at_every_place_of_a_word(size: int) -> None:
    before = b"x" * size
    assert read(_with_payload(b'{"a":"' + before + b'\\n"}')) is not None
    for mark in (b"\x1f", b"\\", b'"', b"\x00", b"\xe9"):
        assert read(_with_payload(b'{"a":"' + before + mark + b"yyyyyyyyyyyyyyyy" + b'"}')) is None
    assert read(_with_payload(b'{"a":"' + before + rb'\u00e9\uD83D\uDE00"}')) is not None
    for text in ("\x7f", "\u00e9", "\u20ac", "\U0001f600"):
        assert read(_with_payload(b'{"a":"' + before + text.encode() + b'"}')) is not None


def test_the_reader_takes_what_is_meant_for_it_and_nothing_else() -> None:
    data = _with_payload(b"{}")
    for wrong in ((), (data, data)):
        with pytest.raises(TypeError):
            read(*wrong)
    with pytest.raises(TypeError):
        read(data=data)
    for made_of in (
        (),
        (Envelope, Kind.parse, KindError, b"", print, print),
        (Envelope, Kind.parse, KindError, "", print),
    ):
        with pytest.raises(TypeError):
            compiled.Reader(*made_of)


def test_a_fault_of_those_who_make_kinds_and_envelopes_comes_through() -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    for make, kind_of in ((fails, Kind.parse), (Envelope, fails)):
        with pytest.raises(ZeroDivisionError):
            compiled.Reader(make, kind_of, KindError, PROTOCOL.encode(), fails)(_with_payload(b"{}"))
