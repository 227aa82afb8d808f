"""The header of an envelope (MCPx 3; docs/protocol.md, Envelope)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import (
    CLOSE_REASONS,
    PROTOCOL,
    CloseCode,
    Envelope,
    EnvelopeError,
    ErrorCode,
    InvalidEnvelope,
    InvalidJson,
    PayloadError,
    UnsupportedProtocol,
    encode_envelope,
    envelope,
    parse_strictly,
    payload_of,
)
from tests.requirements import spec
from tests.spec_examples import ENVELOPES

_ABSENT = object()


@pytest.fixture(autouse=True, scope="module", params=["compiled", "in Python"])
def half(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways to read a plain envelope, with everything below."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "in Python":
            patch.setattr(Envelope, "parse", envelope.parse_in_python)
        elif Envelope.parse == envelope.parse_in_python:
            pytest.skip("there was no compiler when this was installed")
        yield


def wire(**changes: Any) -> bytes:
    """A valid chat envelope with some members changed, or absent."""
    members: dict[str, Any] = {
        "protocol": PROTOCOL,
        "id": "e-1",
        "from": "ann",
        "kind": "chat",
        "payload": {"text": "hi"},
    }
    members.update({name.rstrip("_"): value for name, value in changes.items()})
    return orjson.dumps({name: value for name, value in members.items() if value is not _ABSENT})


@spec("MCPx 3 example envelopes", "MCPx 3 single top-level envelope", "mcpx envelope ts")
@pytest.mark.parametrize("section", ENVELOPES)
def test_every_example_of_the_specification_is_read_as_it_says(section: str) -> None:
    example = ENVELOPES[section]
    data = json.dumps(example, indent=2).encode()

    envelope = Envelope.parse(data)

    assert (envelope.id, envelope.sender, str(envelope.kind)) == (
        example["id"],
        example["from"],
        example["kind"],
    )
    assert envelope.to == tuple(example.get("to", ()))
    assert (envelope.correlation_id, envelope.ts) == (example.get("correlation_id"), example.get("ts"))
    assert payload_of(envelope) == example["payload"]
    assert envelope.data == data


def test_the_comment_in_the_specification_s_first_example_is_no_json() -> None:
    with pytest.raises(InvalidJson):
        Envelope.parse(wire().replace(b'{"text":"hi"}', b"{ /* kind-specific body */ }"))


@spec("MCPx 3 protocol", "mcpx kinds exact protocol", "MCPx 6.1 matching protocol versions")
@pytest.mark.parametrize("protocol", ["mcp-x/v0", "mcpx/v0.2", "MCPX/v0.1", "mcpx/v0.1 ", ""])
def test_another_protocol_is_refused_naming_both(protocol: str) -> None:
    with pytest.raises(UnsupportedProtocol) as refusal:
        Envelope.parse(wire(protocol=protocol))

    assert refusal.value.facts == {"supported": "mcpx/v0.1", "got": protocol}
    assert refusal.value.envelope_id == "e-1"


@spec("mcpx envelope required fields", "mcpx envelope wrong types", "mcpx envelope payload object")
@pytest.mark.parametrize("field", ["protocol", "id", "from", "kind", "payload"])
@pytest.mark.parametrize("value", [_ABSENT, None, 7, 1.5, True, []])
def test_a_required_field_that_is_missing_or_of_another_type_is_refused_by_name(
    field: str, value: object
) -> None:
    with pytest.raises(InvalidEnvelope) as refusal:
        Envelope.parse(wire(**{field: value}))

    assert refusal.value.field == field


@spec("mcpx envelope wrong types", "mcpx envelope to", "mcpx envelope correlation_id", "mcpx envelope ts")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ts", None),
        ("ts", 1),
        ("ts", "yesterday"),
        ("ts", "2025-08-26T14:00:00"),
        ("ts", "2025-13-26T14:00:00Z"),
        ("ts", "2025-02-30T14:00:00Z"),
        ("ts", "2025-08-26T14:00:00+99:00"),
        ("to", None),
        ("to", "bob"),
        ("to", [None]),
        ("to", ["bob", 1]),
        ("to", ["system:gateway"]),
        ("to", ["a b"]),
        ("to", [f"p{n}" for n in range(257)]),
        ("correlation_id", None),
        ("correlation_id", 1),
        ("correlation_id", "ä"),
        ("correlation_id", "a\nb"),
        ("id", ""),
        ("id", "x" * 129),
        ("id", "a\nb"),
        ("id", "ä"),
        ("from", "ä"),
        ("payload", "text"),
        ("payload", [1]),
        ("kind", "a:b:"),
        ("kind", "mcp/request:*"),
        ("kind", "x" * 2049),
    ],
)
def test_a_field_that_breaks_its_rule_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidEnvelope) as refusal:
        Envelope.parse(wire(**{field: value}))

    assert refusal.value.field == field


@spec("mcpx envelope id", "mcpx envelope to", "mcpx envelope ts")
def test_fields_at_the_edge_of_their_rules_are_read() -> None:
    names = [f"p{n}" for n in range(256)]

    envelope = Envelope.parse(
        wire(id="~" * 128, to=names, ts="2016-12-31T23:59:60.123456789+01:00", correlation_id="")
    )

    assert envelope.to == tuple(names)
    assert envelope.correlation_id == ""


@spec("mcpx envelope unknown fields")
def test_unknown_top_level_fields_are_kept() -> None:
    data = wire(x={"deep": [1, {"kind": "other"}]}, trace="t")

    assert Envelope.parse(data).data == data


@spec("mcpx envelope auth")
@pytest.mark.parametrize("name", ["auth", "Auth", "AUTH"])
def test_a_credential_at_the_top_is_refused(name: str) -> None:
    with pytest.raises(InvalidEnvelope, match="credential"):
        Envelope.parse(wire(**{name: {"token": "secret"}}))


@spec("mcpx envelope repeated keys")
@pytest.mark.parametrize(
    "first",
    [
        b'"kind":"chat",',
        b'"id":"e-1",',
        b'"payload":{},',
        b'"from":"eve",',
        b'"x":1,"x":2,',
        b'"\\u006bind":"chat",',
    ],
)
def test_a_repeated_key_is_refused_however_it_is_written(first: bytes) -> None:
    with pytest.raises(InvalidEnvelope, match="stands twice"):
        Envelope.parse(b"{" + first + wire()[1:])


def test_a_repeated_key_hides_behind_no_value_that_looks_like_a_key() -> None:
    data = b'{"kind":"chat",' + wire(to=["kind"], id="kind", correlation_id="kind")[1:]

    with pytest.raises(InvalidEnvelope, match="stands twice"):
        Envelope.parse(data)


@spec("mcpx envelope case look-alikes")
@pytest.mark.parametrize(
    "name", ["Kind", "KIND", "iD", "From", "Correlation_ID", "Payload", "TO", "\u212aind"]
)
def test_a_key_that_equals_a_header_field_but_for_case_is_refused(name: str) -> None:
    with pytest.raises(InvalidEnvelope, match="only in letter case"):
        Envelope.parse(wire(**{name: "x"}))


@spec("mcpx refusals invalid_json")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"chat"',
        b"{",
        b"{}{}",
        b"\xff\xfe",
        wire() + b"x",
        wire().replace(b'"hi"', b"NaN"),
        wire().replace(b'"hi"', b"01"),
        wire().replace(b'"hi"', b'"\xff"'),
        wire().replace(b'"hi"', b'"\xed\xa0\x80"'),
        wire().replace(b'"hi"', b"[" * 100_000 + b"]" * 100_000),
        wire().replace(b'"hi"', b'"\\ud800"'),
    ],
)
def test_what_two_json_readers_would_read_differently_is_no_json(data: bytes) -> None:
    with pytest.raises(InvalidJson):
        Envelope.parse(data)


@spec("mcpx envelope payload unread")
def test_keys_inside_the_payload_are_nobody_s_business_here() -> None:
    data = wire(payload={"kind": "system/error", "id": 1, "from": "x", "protocol": "y", "a": {"a": 1}})

    assert str(Envelope.parse(data).kind) == "chat"


@spec("mcpx envelope payload unread", "mcpx envelope unknown fields")
def test_a_number_too_long_to_be_read_is_relayed_with_an_unknown_field_as_without_it() -> None:
    long = wire(payload={"n": 0}).replace(b'"n":0', b'"n":' + b"9" * 5000)

    for data in (long, long[:-1] + b',"x":' + b"9" * 5000 + b"}"):
        assert Envelope.parse(data).data == data


def test_a_payload_with_a_repeated_key_is_relayed_and_refused_by_its_readers() -> None:
    data = wire().replace(b'{"text":"hi"}', b'{"a":{"text":1,"text":2}}')
    envelope = Envelope.parse(data)

    with pytest.raises(PayloadError, match="stands twice"):
        payload_of(envelope)


@spec("mcpx proposals duplicate keys")
@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', '[{"b":{"a":1,"\\u0061":2}}]', "NaN", "[1e999]", '"\\ud800"', "1" * 400]
)
def test_what_readers_would_read_differently_is_not_parsed(text: str) -> None:
    with pytest.raises(PayloadError):
        parse_strictly(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def test_a_payload_nested_deep_is_refused_wherever_it_is_looked_at() -> None:
    def further_in(frames: int, envelope: Envelope) -> None:
        if frames:
            further_in(frames - 1, envelope)
        else:
            payload_of(envelope)

    for levels in range(600, 1000):
        try:
            envelope = Envelope.parse(
                wire(payload=orjson.Fragment(b'{"a":' + b"[" * levels + b"]" * levels + b"}"))
            )
        except InvalidJson:
            break
        with pytest.raises(PayloadError):
            further_in(9, envelope)
    else:
        raise AssertionError("none was too deep to be parsed")


@given(
    st.binary(max_size=200)
    | st.builds(lambda a, b: wire()[:a] + b + wire()[a:], st.integers(0, 90), st.binary(max_size=4))
)
def test_no_bytes_bring_anything_but_an_envelope_or_a_named_refusal(data: bytes) -> None:
    try:
        envelope = Envelope.parse(data)
    except EnvelopeError as error:
        refusal = error
    else:
        read = json.loads(data)
        assert (read["id"], read["from"], read["kind"]) == (envelope.id, envelope.sender, str(envelope.kind))
        return
    assert refusal.code in ErrorCode
    assert str(refusal)


@given(st.dictionaries(st.text(max_size=6), _JSON, max_size=4), st.text(max_size=5), st.booleans())
def test_another_reader_reads_the_same_header(payload: dict[str, Any], extra: str, indented: bool) -> None:
    members = json.loads(wire(payload=payload))
    if extra and extra.casefold() not in {*members, "ts", "to", "correlation_id", "auth"}:
        members[extra] = payload
    data = json.dumps(members, indent=1 if indented else None).encode()

    envelope = Envelope.parse(data)

    assert envelope.id == members["id"]
    assert payload_of(envelope) == payload


@spec("mcpx envelope library carries ts")
def test_what_is_encoded_is_read_back() -> None:
    data = encode_envelope(
        id="e",
        ts="2025-08-26T14:00:00Z",
        sender="ann",
        kind="chat",
        payload={"text": "hi"},
        to=("bob",),
        correlation_id="c",
    )

    envelope = Envelope.parse(data)

    assert (envelope.id, envelope.ts, envelope.to, envelope.correlation_id) == (
        "e",
        "2025-08-26T14:00:00Z",
        ("bob",),
        "c",
    )


@spec("mcpx refusals close code table")
def test_every_close_code_says_whether_to_reconnect() -> None:
    assert set(CLOSE_REASONS) == set(CloseCode)
    assert all(len(reason.reason.encode()) <= 123 for reason in CLOSE_REASONS.values())
    assert {int(code) for code, reason in CLOSE_REASONS.items() if not reason.reconnect} == {
        1000,
        1003,
        1007,
        4401,
        4403,
    }
