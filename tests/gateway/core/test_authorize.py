"""Where an envelope is refused, and why (MCPx 4.1, 4.2, 6.4; docs/protocol.md, What the gateway answers)."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import Bucket, Close, Member, Rate, Refuse, Verdict, judge, refusal
from gateway.core.limits import REFUSED_STREAK_S
from schemas import CapabilityViolation, CloseCode, Envelope, EnvelopeError, ErrorCode, RateLimited
from tests.gateway.seats import NOW, envelope, seat
from tests.requirements import spec

ONE_A_SECOND = Rate(1.0, 1.0)


def verdict(member: Member, data: bytes, *, at: float = 0.0, max_bytes: int = 4096) -> Verdict:
    return judge(member, data, NOW + at, at, max_bytes)


def refused(member: Member, data: bytes, **more: Any) -> ErrorCode:
    outcome = verdict(member, data, **more)
    assert isinstance(outcome, Refuse)
    return outcome.error.code


@spec("MCPx 6.4 filtering", "MCPx 4.2 lazy enforcement")
def test_what_a_capability_grants_is_relayed_whatever_the_payload_says() -> None:
    agent = seat("agent", "mcp/request:tools/call:safe")
    data = envelope("agent", "mcp/request:tools/call:safe", payload={"params": {"name": "dangerous"}})

    outcome = verdict(agent, data)

    assert isinstance(outcome, Envelope)
    assert outcome.data == data


@spec("MCPx 3.5.2 capability violation", "mcpx refusals capability facts")
def test_what_no_capability_grants_is_refused_with_what_was_tried_and_what_is_held() -> None:
    agent = seat("agent", "mcp/proposal:*", "chat")

    outcome = verdict(agent, envelope("agent", "mcp/request:tools/call:write"))

    assert isinstance(outcome, Refuse)
    assert isinstance(outcome.error, CapabilityViolation)
    assert outcome.error.facts["attempted_kind"] == "mcp/request:tools/call:write"
    assert outcome.error.facts["your_capabilities"] == ["mcp/proposal:*", "chat"]
    assert outcome.error.facts["nearest"]
    assert str(outcome.error) == "You lack capability for 'mcp/request:tools/call:write'"


@spec("MCPx 4.1 reserved namespace")
@pytest.mark.parametrize("kind", ["system/presence", "system/error", "system", "presence", "System/Welcome"])
def test_nobody_speaks_for_the_gateway(kind: str) -> None:
    assert refused(seat("mallory", "mcp/*", "chat"), envelope("mallory", kind)) is ErrorCode.RESERVED_KIND


@spec("mcpx envelope from")
def test_from_must_be_the_connection_s_participant() -> None:
    outcome = verdict(seat("mallory", "chat"), envelope("alice"))

    assert isinstance(outcome, Refuse)
    assert outcome.error.code is ErrorCode.FROM_MISMATCH
    assert outcome.error.envelope_id == "e-1"


@spec("mcpx kinds other families relayed")
def test_other_families_are_relayed_when_granted() -> None:
    agent = seat("agent", "x-acme/*")

    assert isinstance(verdict(agent, envelope("agent", "x-acme/telemetry:cpu")), Envelope)
    assert refused(agent, envelope("agent", "x-other/telemetry")) is ErrorCode.CAPABILITY_VIOLATION


@spec("mcpx envelope no ids kept", "mcpx envelope correlation left to receivers")
def test_repeated_ids_and_odd_correlations_are_for_receivers_to_judge() -> None:
    agent = seat("agent", "mcp/*")

    assert isinstance(
        verdict(agent, envelope("agent", "mcp/proposal:tools/call:x", correlation_id="c")), Envelope
    )
    assert isinstance(verdict(agent, envelope("agent", "mcp/response:tools/call:x")), Envelope)


@spec("mcpx refusals order")
def test_the_first_broken_rule_decides() -> None:
    """One envelope that breaks every rule, mended one rule at a time."""
    mallory = seat("mallory", "chat", rate=Rate(0.001, 1.0))
    verdict(mallory, envelope("mallory"))  # the one envelope that the rate allows
    steps = {
        ErrorCode.INVALID_JSON: b'{"protocol":',
        ErrorCode.UNSUPPORTED_PROTOCOL: envelope("alice", "system/error", protocol="mcpx/v9", to=1),
        ErrorCode.INVALID_ENVELOPE: envelope("alice", "system/error", to=1),
        ErrorCode.FROM_MISMATCH: envelope("alice", "system/error"),
        ErrorCode.RESERVED_KIND: envelope("mallory", "system/error"),
        ErrorCode.RATE_LIMITED: envelope("mallory", "mcp/request:tools/call:x"),
    }

    assert [refused(mallory, data) for data in steps.values()] == list(steps)


@spec("mcpx refusals rate_limited", "mcpx delivery rate per connection")
def test_over_the_rate_the_sender_hears_how_long_to_wait() -> None:
    agent = seat("agent", "chat", rate=Rate(2.0, 3.0))
    for _ in range(3):
        assert isinstance(verdict(agent, envelope("agent")), Envelope)

    outcome = verdict(agent, envelope("agent"))

    assert isinstance(outcome, Refuse)
    assert isinstance(outcome.error, RateLimited)
    assert outcome.error.facts["retry_after_ms"] == 500
    assert isinstance(verdict(agent, envelope("agent"), at=0.5), Envelope)


@spec("mcpx refusals rate_limited", "mcpx delivery rate per participant")
def test_a_participant_s_connections_may_send_no_more_together_than_one_of_them_alone() -> None:
    laptop, phone = seat("ann", "chat", connection="n1/1"), seat("ann", "chat", connection="n1/2")
    laptop.bucket = phone.bucket = Bucket(Rate(1.0, 2.0), 0.0)

    assert isinstance(verdict(laptop, envelope("ann")), Envelope)
    assert isinstance(verdict(phone, envelope("ann")), Envelope)
    outcome = verdict(laptop, envelope("ann"))

    assert isinstance(outcome, Refuse)
    assert outcome.error.facts["retry_after_ms"] == 1000
    assert isinstance(verdict(phone, envelope("ann"), at=1.0), Envelope)


@spec("mcpx refusals count against the rate")
def test_refused_envelopes_count_against_the_rate() -> None:
    agent = seat("agent", "chat", rate=ONE_A_SECOND)

    assert refused(agent, b"{") is ErrorCode.INVALID_JSON
    assert refused(agent, envelope("agent")) is ErrorCode.RATE_LIMITED


@given(st.lists(st.floats(0, 0.5), max_size=60), st.integers(1, 5), st.integers(1, 20))
def test_no_pattern_of_sending_beats_the_rate(pauses: list[float], per_second: int, burst: int) -> None:
    agent = seat("agent", "chat", rate=Rate(per_second, burst))
    at, accepted = 0.0, 0
    for pause in pauses:
        at += pause
        accepted += isinstance(verdict(agent, envelope("agent"), at=at), Envelope)

    assert accepted <= burst + per_second * at + 1e-6


@spec("mcpx identity expiry closes")
def test_at_the_second_of_its_expiry_nothing_of_a_member_counts() -> None:
    agent = seat("agent", "chat", expires_at=NOW + 5)

    assert isinstance(verdict(agent, envelope("agent"), at=4.99), Envelope)
    assert verdict(agent, envelope("agent"), at=5.0) == Close(agent, CloseCode.TOKEN_EXPIRED)


def test_nothing_of_a_member_counts_once_it_is_being_closed() -> None:
    agent = seat("agent", "chat")
    agent.ended = CloseCode.REVOKED

    assert verdict(agent, envelope("agent")) == Close(agent, CloseCode.REVOKED)


@spec("mcpx refusals close 4429")
def test_refused_without_pause_for_ten_seconds_a_connection_is_closed() -> None:
    mallory = seat("mallory", "chat")
    tenths = int(REFUSED_STREAK_S * 10)
    for tenth in range(tenths):
        assert isinstance(verdict(mallory, b"{", at=tenth / 10), Refuse)

    assert verdict(mallory, b"{", at=REFUSED_STREAK_S) == Close(mallory, CloseCode.REFUSED_TOO_OFTEN)


@pytest.mark.parametrize("relief", ["pause", "accepted"])
def test_a_pause_or_an_accepted_envelope_ends_the_streak(relief: str) -> None:
    clumsy = seat("clumsy", "chat")
    for tenth in range(60):
        verdict(clumsy, b"{", at=tenth / 10)
    if relief == "accepted":
        assert isinstance(verdict(clumsy, envelope("clumsy"), at=6.0), Envelope)
    for tenth in range(72, 130):
        assert isinstance(verdict(clumsy, b"{", at=tenth / 10), Refuse)


def test_an_envelope_over_the_limit_is_too_large() -> None:
    assert refused(seat("agent", "chat"), envelope("agent"), max_bytes=20) is ErrorCode.TOO_LARGE


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"\xff",
        b"x" * 5000,
        envelope("agent", protocol="x"),
        envelope("agent", to=[1]),
        envelope("agent", "a::b"),
        envelope("other"),
    ],
)
def test_what_was_refused_is_let_go_at_once_and_not_left_to_the_collector(data: bytes) -> None:
    def refusal_of(data: bytes) -> weakref.ref[EnvelopeError]:
        outcome = verdict(seat("agent", "chat"), data)
        assert isinstance(outcome, Refuse)
        return weakref.ref(outcome.error)

    gc.disable()
    try:
        assert refusal_of(data)() is None
    finally:
        gc.enable()


@spec("mcpx refusals correlation", "mcpx envelope gateway carries ts", "mcpx refusals sentence")
@pytest.mark.parametrize(
    ("data", "correlation"),
    [
        (b"{", None),
        (envelope("agent", id=7), None),
        (envelope("agent", "chat room"), "e-1"),
        (envelope("agent", to=[1]), "e-1"),
        (envelope("agent", protocol="x"), "e-1"),
        (envelope("other"), "e-1"),
        (envelope("agent", "mcp/request:x"), "e-1"),
    ],
)
def test_a_refusal_names_the_envelope_when_its_id_could_be_read(data: bytes, correlation: str | None) -> None:
    outcome = verdict(seat("agent", "chat"), data)
    assert isinstance(outcome, Refuse)

    told = json.loads(refusal(id="r", at=NOW, to="agent", error=outcome.error))

    assert told.get("correlation_id") == correlation
    assert (told["from"], told["to"], told["kind"]) == ("system:gateway", ["agent"], "system/error")
    assert told["ts"] == "2025-08-26T14:00:00.000Z"
    assert told["payload"]["error"] == outcome.error.code
    assert told["payload"]["message"] == str(outcome.error) != ""
