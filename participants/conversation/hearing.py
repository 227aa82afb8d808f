"""
What counts of all that is heard (MCPx 4.3), and what it leads to.

Each envelope is taken in the topic's order. What breaks a rule is reported and
counted against its sender, and changes nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, assert_never

from participants.conversation.calls import RESEND_EVERY_S, Call, Stage
from participants.conversation.effects import (
    CallNotified,
    CancelServing,
    Effect,
    Incoming,
    Notification,
    Send,
    Serve,
    Told,
)
from participants.conversation.events import (
    Chat,
    ErrorHeard,
    Event,
    FulfillmentSeen,
    How,
    Misbehaved,
    NotificationSeen,
    OtherSeen,
    Presence,
    Proposal,
    ProposalLapsed,
    ProposalRef,
    ProposalSeen,
    RejectSeen,
    RequestSeen,
    ResponseSeen,
    Settlement,
    Welcome,
    WithdrawSeen,
)
from participants.conversation.methods import CANCELLED, REQUEST, is_broadcastable
from participants.conversation.proposals import Faulty, Late, Repeated, Settled, Unknown, Verdict
from participants.conversation.reading import Answer, Ending, check_speaker, expiry_of, params_of, read
from participants.conversation.requests import (
    SeenRequest,
    fault_of_notification,
    fault_of_response,
    needs_request,
)
from participants.conversation.roster import peer_of
from participants.conversation.settling import Attempt, params_digest, subject_of
from participants.conversation.speaking import Speaker, settled_error
from participants.conversation.state import Mode, TopicState
from participants.errors import (
    INVALID_REQUEST,
    NeedsAllMode,
    NotAllowed,
    ParticipantError,
    PeerLeft,
    ProposalExpired,
    ProposalRejected,
    ProposalWithdrawn,
    Refused,
)
from schemas import (
    GATEWAY_ID,
    ChatPayload,
    Envelope,
    EnvelopeError,
    ErrorCode,
    ErrorResponsePayload,
    JsonObject,
    Kind,
    NotificationPayload,
    PayloadError,
    PresencePayload,
    ProposalPayload,
    RejectPayload,
    RequestPayload,
    ResponsePayload,
    SystemErrorPayload,
    WelcomePayload,
    WithdrawPayload,
)

Steps = list[Event | Effect]


class Head(NamedTuple):
    """What every event begins with; see `Heard`."""

    id: str
    sender: str
    to: tuple[str, ...]
    kind: Kind
    correlation_id: str | None
    ts: str | None
    payload: JsonObject


class Listener:
    """Takes in what a topic delivers to one participant."""

    def __init__(self, state: TopicState, speaker: Speaker) -> None:
        self._state, self._speaker = state, speaker

    def receive(self, data: bytes, now: float) -> Steps:
        """Take in one envelope; see `Conversation.receive`."""
        steps = self.tick(now)
        try:
            envelope = Envelope.parse(data)
        except EnvelopeError as error:
            steps.append(self._misbehaved(None, str(error), error.envelope_id, None))
            return steps
        try:
            check_speaker(envelope)
            if self._is_double(envelope):
                return steps
            if envelope.sender == self._state.id:
                self._state.repeats.accepted(envelope.id)
            payload, message = read(envelope)
            steps += self._take_in(envelope, payload, message, now)
        except PayloadError as error:
            steps.append(self._misbehaved(envelope.sender, str(error), envelope.id, envelope.kind))
        steps += self._resends(now)
        return steps

    def tick(self, now: float) -> Steps:
        """Do what is due by `now`; see `Conversation.tick`."""
        steps: Steps = []
        for proposal in self._state.proposals.lapse(now):
            steps.append(ProposalLapsed(proposal))
            steps += self._end_proposal(proposal.id, ProposalExpired(proposal.id))
        steps += self._resends(now)
        if (answer := self._state.repeats.due(now)) is not None:
            steps.append(Send(answer))
        return steps

    def _is_double(self, envelope: Envelope) -> bool:
        if envelope.sender == GATEWAY_ID:
            # The gateway's own ids tell their place in the order, so they can be guessed:
            # whoever used one first would make everybody deaf to that presence.
            return False
        first = self._state.seen.first_sender(envelope.id, envelope.sender)
        if first is None:
            return False
        if first != envelope.sender:
            raise PayloadError(f"it uses the id of an envelope of {first}")
        return True

    def _misbehaved(self, sender: str | None, why: str, id: str | None, kind: Kind | None) -> Misbehaved:
        self._state.misdeeds.count(sender or "")
        return Misbehaved(sender, why, id, kind)

    def _take_in(self, envelope: Envelope, payload: JsonObject, message: object, now: float) -> Steps:
        head = Head(
            envelope.id,
            envelope.sender,
            envelope.to,
            envelope.kind,
            envelope.correlation_id,
            envelope.ts,
            payload,
        )
        if isinstance(message, WelcomePayload):
            return self._welcome(head, message, now)
        if self._state.id is None:
            raise PayloadError("it came before the welcome")
        match message:
            case PresencePayload():
                return self._presence(head, message)
            case SystemErrorPayload():
                return self._error(head, message, now)
            case RequestPayload():
                return self._request(head, message, now)
            case NotificationPayload():
                return self._notification(head, message)
            case ResponsePayload() | ErrorResponsePayload():
                return self._response(head, message)
            case ProposalPayload():
                return self._proposal(head, message, len(envelope.raw_payload), now)
            case RejectPayload() | WithdrawPayload():
                return self._ending(head, message, now)
            case ChatPayload():
                return [Chat(*head, message.text, message.format)]
            case _:
                return [OtherSeen(*head)]

    # The gateway

    def _welcome(self, head: Head, message: WelcomePayload, now: float) -> Steps:
        state = self._state
        you = peer_of(message.you)
        if head.to != (you.id,):
            raise PayloadError("a welcome is addressed to the one whom it welcomes")
        if state.id not in {None, you.id}:
            return [OtherSeen(*head)]  # "other participants can safely ignore this message" (3.5.1)
        state.id, state.capabilities = you.id, you.capabilities
        others = tuple(peer_of(record) for record in message.participants if record.id != you.id)
        state.roster.replace((you, *others))
        steps: Steps = [Welcome(*head, you, others)]
        for call in state.calls:
            if call.accepted and call.awaits is not None and call.awaits not in state.roster:
                steps.append(state.calls.end(call, PeerLeft(call.awaits)))
        steps += [Send(said.data) for said in self._speaker.withdraw_given_up(now)]
        return steps

    def _presence(self, head: Head, message: PresencePayload) -> Steps:
        peer = peer_of(message.participant)
        steps: Steps = [Presence(*head, message.event, peer, self._state.roster.view.get(peer.id))]
        if message.event == "join":
            self._state.roster.join(peer)
            self._want_again(peer.id)
        else:
            self._state.roster.leave(peer.id)
            steps += self._state.calls.without(peer.id)
        return steps

    def _error(self, head: Head, message: SystemErrorPayload, now: float) -> Steps:
        if self._state.id not in head.to:
            return [OtherSeen(*head)]  # a notice of another's violation (6.4)
        steps: Steps = [ErrorHeard(*head, message.error, message.message)]
        retry_after_ms = message.retry_after_ms if isinstance(message.retry_after_ms, int) else None
        if message.error == ErrorCode.RATE_LIMITED and head.correlation_id is not None:
            self._state.repeats.refused(head.correlation_id, now, (retry_after_ms or 0) / 1000)
        call = self._state.calls.by_envelope(head.correlation_id)
        if call is None:
            return steps
        if call.accepted:
            # What has its place in the order stays; only its sending again was refused.
            call.wanted_again = message.error != ErrorCode.CAPABILITY_VIOLATION
            return steps
        if message.error != ErrorCode.CAPABILITY_VIOLATION:
            error: ParticipantError = Refused(message.error, message.message, retry_after_ms)
        elif call.stage is Stage.ASKED and call.may_propose:
            return steps + self._propose_instead(call, now)
        else:
            nearest = message.nearest if isinstance(message.nearest, str) else None
            error = NotAllowed(str(call.kind), nearest)
        return [*steps, self._state.calls.end(call, error)]

    def _propose_instead(self, call: Call, now: float) -> Steps:
        self._state.calls.forget_envelope(call.request_id)
        try:
            said = self._speaker.propose(call, now)
        except (NeedsAllMode, NotAllowed) as error:
            return [self._state.calls.end(call, error)]
        self._state.calls.index(call)
        return [Send(said.data)]

    # Requests and their answers

    def _request(self, head: Head, message: RequestPayload, now: float) -> Steps:
        id, to = head.id, head.to
        params = params_of(message.params)
        verdict = self._judge_fulfillment(head, params, now)
        if isinstance(verdict, Faulty):
            raise PayloadError(verdict.why)
        self._state.requests.add(SeenRequest(id, head.sender, head.kind, message.id, to))
        incoming = Incoming(id, head.sender, to, head.kind, params, message.id, (head.sender,), None)
        steps: Steps = []
        match verdict:
            case Unknown():
                steps.append(RequestSeen(*head, message.method, params, message.id))
                steps += self._act_on(incoming, to, head.correlation_id, now)
            case Repeated(first):
                steps.append(RequestSeen(*head, message.method, params, message.id))
                steps += self._refuse_late(incoming, head.correlation_id or "", first, now)
            case Late(proposal, outline, first):
                edited = params_digest(params) != outline.digest
                steps.append(
                    FulfillmentSeen(*head, message.method, params, message.id, proposal, edited, first)
                )
                steps += self._refuse_late(incoming, proposal.id, first, now)
            case Settled(proposal, outline):
                edited = params_digest(params) != outline.digest
                steps.append(
                    FulfillmentSeen(*head, message.method, params, message.id, proposal, edited, None)
                )
                incoming = _fulfilling(incoming, proposal)
                steps += self._act_on(incoming, to, None, now)
                steps += self._follow_fulfillment(incoming, to[0], edited=edited)
        steps += self._accept(id)
        return steps

    def _refuse_late(self, incoming: Incoming, proposal_id: str, first: Settlement, now: float) -> Steps:
        """Tell who comes second who was first, if it is this participant's to say."""
        if self._state.id not in incoming.to:
            return []
        late = settled_error(proposal_id, first)
        return [Send(self._speaker.respond_error(incoming, late.code, late.message, now, late.data).data)]

    def _judge_fulfillment(self, head: Head, params: JsonObject, now: float) -> Verdict:
        # Who listens in Directed mode has not heard all that may have ended the proposal.
        if head.correlation_id is None or self._state.mode is not Mode.ALL:
            return Unknown()
        attempt = Attempt(
            How.FULFILLED,
            head.sender,
            head.kind,
            head.to,
            now,
            head.id,
            may_request=self._state.roster.grants(head.sender, head.kind),
            subject=subject_of(head.kind, params),
        )
        return self._state.proposals.attempt(head.correlation_id, attempt)

    def _act_on(
        self, incoming: Incoming, to: tuple[str, ...], correlation_id: str | None, now: float
    ) -> Steps:
        """Serve a request, if it is this participant's to answer."""
        me = self._state.id
        method = incoming.kind.method or ""
        if me not in to and (to or not is_broadcastable(method) or incoming.sender == me):
            return []
        if self._state.mode is not Mode.ALL and correlation_id is not None:
            why = str(NeedsAllMode("Serving a fulfillment"))
            return [Send(self._speaker.respond_error(incoming, INVALID_REQUEST, why, now).data)]
        self._state.serve(incoming)
        return [Serve(incoming)]

    def _accept(self, envelope_id: str) -> Steps:
        """Note that an own call has its place in the order, or that nobody is there to answer it."""
        call = self._state.calls.by_envelope(envelope_id)
        if call is None:
            return []
        call.accepted = True
        if call.awaits is not None and call.awaits not in self._state.roster:
            return [self._state.calls.end(call, PeerLeft(call.awaits))]
        return []

    def _follow_fulfillment(self, incoming: Incoming, target: str, *, edited: bool) -> Steps:
        """From now on, an own proposal's caller waits for the answer to another's request."""
        assert incoming.proposal is not None
        call = self._state.calls.by_envelope(incoming.proposal.id)
        if call is None or call.stage is not Stage.PROPOSED:
            return []
        call.stage = Stage.FULFILLED
        call.request_id, call.target, call.params = incoming.id, target, incoming.params
        call.fulfilled_by, call.edited = incoming.sender, edited
        self._state.calls.index(call)
        return []

    def _response(self, head: Head, message: Answer) -> Steps:
        correlation_id = head.correlation_id
        assert correlation_id is not None  # read() saw to it
        request = self._state.requests.get(correlation_id)
        if request is not None:
            fault = fault_of_response(
                request, sender=head.sender, to=head.to, kind=head.kind, rpc_id=message.id
            )
            if fault is not None:
                raise PayloadError(fault)
            request.answered_by.add(head.sender)
        result, error = head.payload.get("result"), head.payload.get("error")
        steps: Steps = [ResponseSeen(*head, correlation_id, result, error, request is not None)]
        if head.sender == self._state.id and self._state.serving.pop(correlation_id, None) is not None:
            # What this connection says is answered for it when it is said: this came from another.
            steps.append(CancelServing(correlation_id, "answered by another connection of this participant"))
        call = self._state.calls.by_envelope(correlation_id)
        if request is not None and call is not None and call.request_id == correlation_id:
            steps.append(self._state.calls.answer(call, head.sender, message))
        return steps

    def _notification(self, head: Head, message: NotificationPayload) -> Steps:
        sender, to, correlation_id = head.sender, head.to, head.correlation_id
        params = params_of(message.params)
        method = message.method
        steps: Steps = [NotificationSeen(*head, method, params)]
        if needs_request(method) and correlation_id is None:
            raise PayloadError(f"'{method}' names by correlation_id the request that it belongs to")
        request = self._state.requests.get(correlation_id)
        if request is not None:
            cancelled_id = params.get("requestId")
            fault = fault_of_notification(request, sender=sender, method=method, cancelled_id=cancelled_id)
            if fault is not None:
                raise PayloadError(fault)
        notification = Notification(sender, method, params, correlation_id)
        if method == CANCELLED:
            if request is not None and request.id in self._state.serving:
                reason = params.get("reason")
                steps.append(CancelServing(request.id, reason if isinstance(reason, str) else None))
            return steps
        call = self._state.calls.by_envelope(correlation_id)
        if request is not None and call is not None and call.request_id == correlation_id:
            steps.append(CallNotified(call.id, notification))
        elif self._state.id in to or (not to and sender != self._state.id):
            steps.append(Told(notification))
        return steps

    # Proposals

    def _proposal(self, head: Head, message: ProposalPayload, size: int, now: float) -> Steps:
        id, sender = head.id, head.sender
        known = self._state.proposals.get(id)
        if known is not None:
            # The window of ids is shorter than the memory of proposals.
            if known.outline.proposer != sender:
                raise PayloadError(f"it uses the id of a proposal of {known.outline.proposer}")
            return []
        expires_at = expiry_of(message, head.ts, now)
        mine = sender == self._state.id
        proposal = Proposal(id, sender, head.kind, params_of(message.params), head.to, expires_at, now, mine)
        settled = self._state.proposals.add(proposal, size)
        steps: Steps = [ProposalSeen(*head, proposal, settled)]
        steps += self._accept(id)
        # One that came with its time over is ended at once, and never pending.
        for lapsed in self._state.proposals.lapse(now):
            steps.append(ProposalLapsed(lapsed))
            steps += self._end_proposal(lapsed.id, ProposalExpired(lapsed.id))
        return steps

    def _ending(self, head: Head, message: Ending, now: float) -> Steps:
        correlation_id = head.correlation_id
        assert correlation_id is not None  # read() saw to it
        how = How.REJECTED if isinstance(message, RejectPayload) else How.WITHDRAWN
        request = Kind.parse(str(head.kind.with_family(REQUEST)))
        attempt = Attempt(
            how,
            head.sender,
            head.kind,
            head.to,
            now,
            head.id,
            may_request=self._state.roster.grants(head.sender, request),
            reason=str(message.reason),
            message=message.message,
        )
        verdict = self._state.proposals.attempt(correlation_id, attempt)
        proposal: Proposal | None
        match verdict:
            case Faulty(why):
                raise PayloadError(why)
            case Unknown() | Repeated():
                proposal, effective = None, False
            case Late(late):
                proposal, effective = late, False
            case Settled(ended):
                proposal, effective = ended, True
            case _:
                assert_never(verdict)
        seen = RejectSeen if how is How.REJECTED else WithdrawSeen
        steps: Steps = [seen(*head, proposal, str(message.reason), message.message, effective)]
        if effective:
            error: ParticipantError
            if how is How.REJECTED:
                error = ProposalRejected(head.sender, str(message.reason), message.message)
            else:
                error = ProposalWithdrawn(str(message.reason), message.message)
            steps += self._end_proposal(correlation_id, error)
        return steps

    def _end_proposal(self, proposal_id: str, error: ParticipantError) -> Steps:
        call = self._state.calls.by_envelope(proposal_id)
        if call is None or call.stage is not Stage.PROPOSED:
            return []
        return [self._state.calls.end(call, error)]

    # Sending a pending proposal again, for those who came after it

    def _want_again(self, newcomer: str) -> None:
        if newcomer == self._state.id:
            return
        for call in self._state.calls:
            if call.stage is not Stage.PROPOSED or not call.accepted:
                continue
            if newcomer == call.target or self._state.roster.grants(newcomer, call.kind):
                call.wanted_again = True

    def _resends(self, now: float) -> Steps:
        steps: Steps = []
        for call in self._state.calls:
            if call.wanted_again and call.stage is Stage.PROPOSED and now >= call.last_sent + RESEND_EVERY_S:
                call.wanted_again, call.last_sent = False, now
                steps.append(Send(call.proposal_data))
        return steps

    def next_resend(self) -> float | None:
        """Return when a proposal is to be sent again, in Unix seconds."""
        return min(
            (
                call.last_sent + RESEND_EVERY_S
                for call in self._state.calls
                if call.wanted_again and call.stage is Stage.PROPOSED
            ),
            default=None,
        )


def _fulfilling(incoming: Incoming, proposal: Proposal) -> Incoming:
    both = tuple(dict.fromkeys((incoming.sender, proposal.proposer)))
    ref = ProposalRef(proposal.id, proposal.proposer)
    return replace(incoming, reply_to=both, proposal=ref)
