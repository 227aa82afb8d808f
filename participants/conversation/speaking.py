"""What this participant says: envelopes, built so that others can check them (MCPx 3.1 to 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from participants.conversation.calls import Call, Stage
from participants.conversation.effects import Incoming
from participants.conversation.events import How, Proposal, Settlement
from participants.conversation.instants import instant_text
from participants.conversation.methods import (
    CANCELLED,
    PROPOSAL,
    REJECT,
    REQUEST,
    RESPONSE,
    WITHDRAW,
    is_broadcastable,
    kind_for,
    same_operation,
)
from participants.conversation.proposals import Tracked
from participants.conversation.settling import params_digest, subject_of
from participants.conversation.state import Mode, TopicState
from participants.errors import (
    ConnectionLost,
    NeedsAllMode,
    NotAllowed,
    NotYours,
    ProposalSettled,
    TargetRequired,
)
from schemas import (
    JsonObject,
    Kind,
    PayloadError,
    RejectReason,
    WithdrawReason,
    check_participant_id,
    encode_envelope,
)


@dataclass(frozen=True, slots=True)
class Said:
    """An envelope ready for the wire; of a call, `id` names the call, too."""

    id: str
    data: bytes


class Way(StrEnum):
    """Which way a call goes."""

    AUTO = "auto"
    """A request where a capability grants it, else a proposal."""
    REQUEST = "request"
    PROPOSE = "propose"


class Speaker:
    """Builds the envelopes of one participant."""

    def __init__(self, state: TopicState, new_id: Callable[[], str]) -> None:
        self._state, self._new_id = state, new_id

    def say(
        self,
        kind: Kind | str,
        payload: JsonObject,
        now: float,
        *,
        to: Sequence[str] = (),
        correlation_id: str | None = None,
        id: str | None = None,
    ) -> Said:
        """
        Encode an envelope of this participant.

        Raises:
            ConnectionLost: no welcome has said yet who this participant is.
            KindError: `kind` is none.
            NameRefused: `to` names what is no participant id.
        """
        if self._state.id is None:
            raise ConnectionLost("not welcomed yet")
        parsed = Kind.parse(str(kind))
        names = [check_participant_id(name) for name in to]
        envelope_id = id or self._new_id()
        data = encode_envelope(
            id=envelope_id,
            ts=instant_text(now),
            sender=self._state.id,
            kind=parsed,
            payload=payload,
            to=names,
            correlation_id=correlation_id,
        )
        return Said(envelope_id, data)

    # Calls

    def ask(
        self,
        target: str | None,
        method: str,
        params: JsonObject,
        now: float,
        *,
        way: Way = Way.AUTO,
        expires_in: float | None = None,
    ) -> Said:
        """
        Begin a call: a request where that is granted, else a proposal (MCPx 3.2).

        Raises:
            NotAllowed: neither is granted.
            NeedsAllMode: it had to be a proposal, in Directed mode.
            TargetRequired: a request names one target, and a proposal is not wanted or not granted.
            KindError: `method` cannot stand in a kind.
        """
        kind = kind_for(REQUEST, method, params)
        held = self._state.capabilities
        addressed = target is not None or is_broadcastable(method)
        may_propose = way is not Way.REQUEST and held.grants(_proposed(kind))
        if not addressed and not may_propose and (way is Way.REQUEST or held.grants(kind)):
            raise TargetRequired(method)
        if way is Way.REQUEST or (way is Way.AUTO and addressed and held.grants(kind)):
            call = Call(self._new_id(), Stage.ASKED, kind, params, target, expires_in=expires_in)
            call.may_propose = way is Way.AUTO
            said = self._request(call, now, correlation_id=None)
        else:
            if way is Way.AUTO and not may_propose:
                raise NotAllowed(str(kind), held.nearest(kind))
            call = Call(self._new_id(), Stage.PROPOSED, kind, params, target, expires_in=expires_in)
            said = self.propose(call, now)
        self._state.calls.add(call)
        return said

    def propose(self, call: Call, now: float) -> Said:
        """
        Make a call a proposal (MCPx 3.2).

        Raises:
            NeedsAllMode: this participant listens in Directed mode.
            NotAllowed: no capability grants the proposal.
        """
        self._need_all("Proposing")
        kind = _proposed(call.kind)
        if not self._state.capabilities.grants(kind):
            raise NotAllowed(str(kind), self._state.capabilities.nearest(kind))
        expires_at = None if call.expires_in is None else instant_text(now + call.expires_in)
        payload: JsonObject = {"method": call.kind.method, "params": call.params, "expiresAt": expires_at}
        proposal_id = call.id if call.stage is Stage.PROPOSED else self._new_id()
        said = self.say(kind, payload, now, to=_named(call.target), id=proposal_id)
        call.stage = Stage.PROPOSED
        call.request_id, call.proposal_id = None, proposal_id
        call.proposal_data, call.last_sent = said.data, now
        call.accepted = False
        return said

    def fulfill(self, proposal_id: str, params: JsonObject | None, target: str | None, now: float) -> Said:
        """
        Begin a call that carries a proposal out (MCPx 3.2.1); `params` `None`: as proposed.

        Raises:
            NeedsAllMode: this participant listens in Directed mode.
            ProposalSettled: it is not pending any more, or not known.
            NotYours: it is an own proposal.
            NotAllowed: no capability grants the request.
            TargetRequired: the proposal names no target, or several, and `target` names none.
            PayloadError: `params` name another tool, or `target` is none of the proposal's.
        """
        self._need_all("Fulfilling a proposal")
        tracked = self._pending(proposal_id, now)
        proposal = tracked.proposal
        kind = Kind.parse(str(proposal.kind.with_family(REQUEST)))
        if proposal.proposer == self._state.id:
            raise NotYours("Nobody fulfills a proposal of their own")
        self._need_capability(kind)
        chosen = target or (proposal.to[0] if len(proposal.to) == 1 else None)
        if chosen is None:
            raise TargetRequired(proposal.method)
        if proposal.to and chosen not in proposal.to:
            raise PayloadError(f"{chosen} is no target of the proposal")
        executed = proposal.params if params is None else params
        _check_edit(proposal, executed)
        call = Call(self._new_id(), Stage.ASKED, kind, executed, chosen)
        call.proposal_id, call.fulfilled_by = proposal_id, self._state.id
        call.edited = params_digest(executed) != tracked.outline.digest
        said = self._request(call, now, correlation_id=proposal_id)
        self._state.calls.add(call)
        return said

    def _request(self, call: Call, now: float, *, correlation_id: str | None) -> Said:
        call.request_id, call.rpc_id = call.id, self._next_rpc_id()
        payload: JsonObject = {"jsonrpc": "2.0", "id": call.rpc_id, "method": call.kind.method}
        if call.params:
            payload["params"] = call.params
        to = _named(call.target)
        return self.say(call.kind, payload, now, to=to, correlation_id=correlation_id, id=call.id)

    _last_rpc_id: int = 0

    def _next_rpc_id(self) -> int:
        self._last_rpc_id += 1
        return self._last_rpc_id

    def give_up(self, call: Call, reason: WithdrawReason, now: float) -> list[Said]:
        """Return what tells the others that nobody waits for this call any more."""
        match call.stage:
            case Stage.PROPOSED:
                assert call.proposal_id is not None
                return [self._withdraw(call.proposal_id, call.kind, reason, "", now)]
            case Stage.ASKED:
                return self._cancel(call, reason, now)
            case Stage.FULFILLED:
                return []  # another's request, which only they may cancel

    def _cancel(self, call: Call, reason: WithdrawReason, now: float) -> list[Said]:
        kind = kind_for(REQUEST, CANCELLED, None)
        if not self._state.capabilities.grants(kind):
            return []
        params: JsonObject = {"requestId": call.rpc_id, "reason": str(reason)}
        payload: JsonObject = {"jsonrpc": "2.0", "method": CANCELLED, "params": params}
        return [self.say(kind, payload, now, to=_named(call.target), correlation_id=call.request_id)]

    # Proposals of others, and own ones

    def reject(self, proposal_id: str, reason: RejectReason, message: str, now: float) -> Said:
        """
        Refuse a proposal of another.

        Raises:
            NeedsAllMode, ProposalSettled: as `fulfill`.
            NotAllowed: no capability grants the request proposed.
        """
        self._need_all("Rejecting a proposal")
        proposal = self._pending(proposal_id, now).proposal
        kind = Kind.parse(str(proposal.kind.with_family(REJECT)))
        self._need_capability(kind)
        payload: JsonObject = {"reason": str(reason), "message": message}
        return self.say(kind, payload, now, correlation_id=proposal_id)

    def withdraw(self, proposal_id: str, reason: WithdrawReason, message: str, now: float) -> Said:
        """
        Take an own proposal back.

        Raises:
            ProposalSettled: it is not pending any more, or not known.
            NotYours: it is another's.
        """
        proposal = self._pending(proposal_id, now).proposal
        if proposal.proposer != self._state.id:
            raise NotYours(f"Only {proposal.proposer} withdraws this proposal")
        return self._withdraw(proposal_id, proposal.kind, reason, message, now)

    def _withdraw(
        self, proposal_id: str, kind: Kind, reason: WithdrawReason, message: str, now: float
    ) -> Said:
        payload: JsonObject = {"reason": str(reason), "message": message}
        return self.say(kind.with_family(WITHDRAW), payload, now, correlation_id=proposal_id)

    def withdraw_given_up(self, now: float) -> list[Said]:
        """Withdraw the proposals whose callers were told that the connection was lost."""
        given_up = list(self._state.given_up.items())
        self._state.given_up.clear()
        return [
            self._withdraw(proposal_id, kind, WithdrawReason.NO_LONGER_NEEDED, "its proposer was away", now)
            for proposal_id, kind in given_up
        ]

    # Answers and notifications

    def respond(self, request: Incoming, result: JsonObject, now: float) -> Said:
        """Answer a request, to everyone whom its answer concerns (MCPx 3.1.2, 3.2.1)."""
        return self._respond(request, {"jsonrpc": "2.0", "id": request.rpc_id, "result": result}, now)

    def respond_error(
        self, request: Incoming, code: int, message: str, now: float, data: object = None
    ) -> Said:
        """Answer a request with a JSON-RPC error."""
        error: JsonObject = {"code": code, "message": message}
        if data is not None:
            error["data"] = data
        return self._respond(request, {"jsonrpc": "2.0", "id": request.rpc_id, "error": error}, now)

    def _respond(self, request: Incoming, payload: JsonObject, now: float) -> Said:
        kind = request.kind.with_family(RESPONSE)
        said = self.say(kind, payload, now, to=request.reply_to, correlation_id=request.id)
        self._state.repeats.sent(said.id, said.data)
        return said

    def notify(
        self,
        to: Sequence[str],
        method: str,
        params: JsonObject | None,
        now: float,
        *,
        correlation_id: str | None = None,
    ) -> Said:
        """
        Send a JSON-RPC notification (MCPx 3.1).

        Raises:
            NotAllowed: no capability grants it.
            KindError: `method` cannot stand in a kind.
        """
        kind = kind_for(REQUEST, method, params)
        self._need_capability(kind)
        payload: JsonObject = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            payload["params"] = params
        return self.say(kind, payload, now, to=to, correlation_id=correlation_id)

    def _need_all(self, what: str) -> None:
        if self._state.mode is not Mode.ALL:
            raise NeedsAllMode(what)

    def _need_capability(self, kind: Kind) -> None:
        if not self._state.capabilities.grants(kind):
            raise NotAllowed(str(kind), self._state.capabilities.nearest(kind))

    def _pending(self, proposal_id: str, now: float) -> Tracked:
        tracked = self._state.proposals.get(proposal_id)
        if tracked is None:
            raise ProposalSettled("This proposal is not known here")
        if tracked.settlement is not None:
            raise settled_error(proposal_id, tracked.settlement)
        if tracked.proposal.is_expired(now):
            raise settled_error(proposal_id, Settlement(How.EXPIRED, None, now))
        return tracked


def settled_error(proposal_id: str, first: Settlement) -> ProposalSettled:
    """Say who was first."""
    facts: JsonObject = {"how": str(first.how), "proposal": proposal_id}
    if first.by is None:
        return ProposalSettled("The proposal expired", facts)
    return ProposalSettled(f"{first.by} was first: the proposal was {first.how}", {**facts, "by": first.by})


def _named(target: str | None) -> tuple[str, ...]:
    return () if target is None else (target,)


def _proposed(kind: Kind) -> Kind:
    return Kind.parse(str(kind.with_family(PROPOSAL)))


def _check_edit(proposal: Proposal, executed: JsonObject) -> None:
    kind = kind_for(REQUEST, proposal.method, executed)
    named_alike = subject_of(proposal.kind, executed) == subject_of(proposal.kind, proposal.params)
    bare = proposal.kind.context is None
    if not named_alike or not (bare or same_operation(kind, proposal.kind)):
        raise PayloadError("an edit changes arguments, never which tool, prompt or resource is meant")
