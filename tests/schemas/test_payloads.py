"""The records of what envelopes carry, and the schemas that come from them (MCPx 3.1 to 3.5)."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from schemas import (
    PAYLOADS,
    CapabilityViolation,
    ChatPayload,
    EnvelopeError,
    EnvelopeTooLarge,
    ErrorResponsePayload,
    InvalidEnvelope,
    Kind,
    NotificationPayload,
    PayloadError,
    PresencePayload,
    ProposalPayload,
    RateLimited,
    RejectPayload,
    RequestPayload,
    ReservedKind,
    ResponsePayload,
    SystemErrorPayload,
    UnsupportedProtocol,
    WelcomePayload,
    WithdrawPayload,
    payload_record,
    read_payload,
)

RPC: dict[str, Any] = {"jsonrpc": "2.0", "id": 42}

FITTING: dict[str, list[dict[str, Any]]] = {
    "request": [
        {**RPC, "method": "tools/call", "params": {"name": "x", "arguments": {}}},
        {**RPC, "id": "a", "method": "ping"},
        {**RPC, "method": "ping", "unknown": 1},
    ],
    "notification": [
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ],
    "response": [{**RPC, "result": {"content": [{"type": "text", "text": "Operation completed"}]}}],
    "error-response": [
        {**RPC, "error": {"code": -32001, "message": "late"}},
        {**RPC, "error": {"code": 1, "message": "", "data": None}},
    ],
    "proposal": [
        {"method": "tools/call", "params": {"name": "x", "arguments": {"target": "production"}}},
        {"method": "ping", "expiresAt": None},
        {"method": "ping", "expiresAt": "2025-08-26T14:05:00Z"},
    ],
    "reject": [{"reason": "denied"}, {"reason": "policy", "message": "not today"}],
    "withdraw": [{"reason": "timeout"}, {"reason": "superseded", "message": ""}],
    "chat": [
        {"text": "Hello everyone!", "format": "plain"},
        {"text": ""},
        {"text": "*", "format": "markdown"},
    ],
    "presence": [
        {"event": "join", "participant": {"id": "a", "capabilities": ["mcp/proposal:*", "chat"]}},
        {"event": "leave", "participant": {"id": "a"}},
    ],
    "welcome": [
        {
            "you": {"id": "new-participant", "capabilities": ["mcp/proposal:*", "chat"]},
            "participants": [{"id": "agent-1", "capabilities": ["mcp/*", "chat"]}],
        }
    ],
    "error": [
        {
            "error": "capability_violation",
            "message": "You lack capability for 'mcp/request:tools/call'",
            "attempted_kind": "mcp/request:tools/call",
            "your_capabilities": ["mcp/proposal:*", "chat"],
        },
        {"error": "rate_limited", "message": "", "retry_after_ms": 5},
    ],
}

UNFIT: dict[str, list[dict[str, Any]]] = {
    "request": [
        {"id": 1, "method": "ping"},
        {**RPC, "jsonrpc": "2", "method": "ping"},
        {**RPC, "method": ""},
        {**RPC, "id": None, "method": "ping"},
        {**RPC, "id": 1.5, "method": "ping"},
        {**RPC, "id": True, "method": "ping"},
        {**RPC, "id": "x" * 1025, "method": "ping"},
        {**RPC, "method": "ping", "params": []},
        {**RPC, "method": "ping", "params": None},
        {"jsonrpc": "2.0", "method": "ping"},
    ],
    "notification": [{"jsonrpc": "2.0", "method": "ping"}, {"jsonrpc": "2.0", "method": "notifications/"}],
    "response": [{**RPC}, {**RPC, "result": []}, {"jsonrpc": "2.0", "result": {}}, {**RPC, "result": None}],
    "error-response": [
        {**RPC, "error": "no"},
        {**RPC, "error": {"code": "1", "message": "x"}},
        {**RPC, "error": {"code": 1.5, "message": "x"}},
        {**RPC, "error": {"code": 1}},
    ],
    "proposal": [{}, {"method": ""}, {"method": 1}, {"method": "ping", "expiresAt": 5}],
    "reject": [{}, {"reason": "because"}, {"reason": "timeout"}, {"reason": "denied", "message": None}],
    "withdraw": [{}, {"reason": "denied"}],
    "chat": [{}, {"text": None}, {"text": "x", "format": "html"}],
    "presence": [{}, {"event": "stay", "participant": {"id": "a"}}, {"event": "join", "participant": {}}],
    "welcome": [{}, {"you": {"id": "a"}}, {"you": {"id": "a"}, "participants": ["b"]}],
    "error": [{}, {"error": 5}, {"error": "rate_limited", "retry_after_ms": -1}],
}

CASES = [(name, payload) for name, payloads in FITTING.items() for payload in payloads]
UNFIT_CASES = [(name, payload) for name, payloads in UNFIT.items() for payload in payloads]


def schema_of(name: str) -> Draft202012Validator:
    return Draft202012Validator(msgspec.json.schema(PAYLOADS[name]))


def test_every_record_has_cases_on_both_sides() -> None:
    assert set(PAYLOADS) == set(FITTING) == set(UNFIT)


@pytest.mark.parametrize(("name", "payload"), CASES)
def test_what_fits_is_read_and_accepted_by_its_schema(name: str, payload: dict[str, Any]) -> None:
    read_payload(PAYLOADS[name], payload)

    assert schema_of(name).is_valid(payload)


@pytest.mark.parametrize(("name", "payload"), UNFIT_CASES)
def test_what_does_not_fit_is_refused_by_record_and_schema_alike(name: str, payload: dict[str, Any]) -> None:
    with pytest.raises(PayloadError, match="does not fit"):
        read_payload(PAYLOADS[name], payload)

    assert not schema_of(name).is_valid(payload)


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_schema_says_what_it_is(name: str) -> None:
    schema = msgspec.json.schema(PAYLOADS[name])
    (definition,) = [schema["$defs"][part] for part in schema["$defs"] if schema["$ref"].endswith(f"/{part}")]

    assert definition["description"]


@pytest.mark.parametrize(
    ("name", "payload", "member"),
    [
        ("request", FITTING["request"][0], "auth"),
        ("request", FITTING["request"][0], "result"),
        ("request", FITTING["request"][0], "error"),
        ("notification", FITTING["notification"][0], "id"),
        ("notification", FITTING["notification"][0], "auth"),
        ("response", FITTING["response"][0], "method"),
        ("response", FITTING["response"][0], "error"),
        ("response", FITTING["response"][0], "auth"),
        ("error-response", FITTING["error-response"][0], "result"),
        ("error-response", FITTING["error-response"][0], "method"),
    ],
)
def test_a_message_that_could_be_taken_for_another_is_refused(
    name: str, payload: dict[str, Any], member: str
) -> None:
    with pytest.raises(PayloadError, match=f"'{member}'"):
        read_payload(PAYLOADS[name], {**payload, member: {"token": "secret"}})


def test_a_credential_is_refused_without_repeating_it() -> None:
    with pytest.raises(PayloadError) as raised:
        read_payload(RequestPayload, {**RPC, "method": "ping", "auth": {"token": "secret"}})

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "payload", "record"),
    [
        ("mcp/request:tools/call:x", {}, RequestPayload),
        ("mcp/request:notifications/progress", {}, NotificationPayload),
        ("mcp/response:ping", {"result": {}}, ResponsePayload),
        ("mcp/response:ping", {"error": {}}, ErrorResponsePayload),
        ("mcp/proposal:tools/call", {}, ProposalPayload),
        ("mcp/reject:tools/call", {}, RejectPayload),
        ("mcp/withdraw:tools/call", {}, WithdrawPayload),
        ("chat", {}, ChatPayload),
        ("system/welcome", {}, WelcomePayload),
        ("system/presence", {}, PresencePayload),
        ("system/error", {}, SystemErrorPayload),
        ("x-acme/move", {}, None),
        ("mcp/requests:x", {}, None),
        ("system/other", {}, None),
    ],
)
def test_a_kind_says_which_record_its_payload_fits(kind: str, payload: dict[str, Any], record: Any) -> None:
    assert payload_record(Kind.parse(kind), payload) is record


@pytest.mark.parametrize(
    "error",
    [
        UnsupportedProtocol("mcp-x/v0"),
        InvalidEnvelope("to", "must be a list of participant ids"),
        ReservedKind("system/error"),
        RateLimited(40),
        CapabilityViolation("mcp/request:tools/call", ["chat"], "mcp/request:tools/call"),
        CapabilityViolation("x", [], None),
        EnvelopeTooLarge(1 << 20),
    ],
)
def test_every_refusal_fits_the_record_of_errors(error: EnvelopeError) -> None:
    payload = {"error": str(error.code), "message": str(error), **error.facts}

    record = read_payload(SystemErrorPayload, payload)
    assert schema_of("error").is_valid(payload)
    assert orjson.loads(msgspec.json.encode(record)) == payload


@given(st.sampled_from(CASES))
def test_a_record_survives_its_way_over_the_wire(case: tuple[str, dict[str, Any]]) -> None:
    name, payload = case
    record = read_payload(PAYLOADS[name], payload)

    assert read_payload(PAYLOADS[name], orjson.loads(msgspec.json.encode(record))) == record


@given(
    st.sampled_from(sorted(PAYLOADS)),
    st.dictionaries(
        st.sampled_from(
            ["jsonrpc", "id", "method", "params", "result", "error", "text", "reason", "event", "you"]
        ),
        st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("2.0") | st.just({}),
    ),
)
def test_whatever_comes_is_read_or_refused_by_name(name: str, payload: dict[str, Any]) -> None:
    try:
        read_payload(PAYLOADS[name], payload)
    except PayloadError:
        return
    assert schema_of(name).is_valid(payload)
