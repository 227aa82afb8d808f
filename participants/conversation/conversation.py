"""The state machine around which a client is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from capabilities import CapabilitySet
from participants.conversation.calls import Stage
from participants.conversation.effects import CancelServing, Effect
from participants.conversation.events import Event, Peer, Proposal
from participants.conversation.hearing import Listener
from participants.conversation.methods import PROPOSAL
from participants.conversation.speaking import Said, Speaker
from participants.conversation.state import Mode, TopicState
from participants.errors import ConnectionLost
from schemas import JsonObject, WithdrawReason


class Conversation:
    """
    One participant's view of one topic, without I/O.

    Time and ids are given: `now` is Unix seconds everywhere, `new_id` returns
    an id that nobody has used (such as a UUIDv4). `receive` and `tick` return
    what was heard and what to do, in order; what `speak` and the methods below
    return goes on the wire as one text frame each.
    """

    def __init__(self, topic: str, *, new_id: Callable[[], str], mode: Mode = Mode.ALL) -> None:
        self._state = TopicState(topic, mode)
        self.speak = Speaker(self._state, new_id)
        """Builds envelopes, begins calls."""
        self._listener = Listener(self._state, self.speak)

    # What is known

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self._state.topic

    @property
    def mode(self) -> Mode:
        """What the gateway delivers."""
        return self._state.mode

    @property
    def id(self) -> str | None:
        """Own participant id; `None` before the first welcome."""
        return self._state.id

    @property
    def capabilities(self) -> CapabilitySet:
        """What this connection may send, by the latest welcome (MCPx 6.2)."""
        return self._state.capabilities

    @property
    def roster(self) -> Mapping[str, Peer]:
        """Everyone present, this participant included; a view that changes."""
        return self._state.roster.view

    @property
    def misbehaviour(self) -> Mapping[str, int]:
        """How often each sender broke a rule; under `""` what could not be read."""
        return MappingProxyType(self._state.misdeeds.counts)

    def pending(self, now: float) -> list[Proposal]:
        """Return the proposals that can still be fulfilled, oldest first."""
        return self._state.proposals.pending(now)

    def proposal(self, id: str) -> Proposal | None:
        """Return a proposal that is remembered; without params once it is settled."""
        tracked = self._state.proposals.get(id)
        return None if tracked is None else tracked.proposal

    # What happens

    def receive(self, data: bytes, now: float) -> list[Event | Effect]:
        """
        Take in one frame, and return what it means and what to do about it, in order.

        Nothing is raised for what others send: what breaks a rule is a
        `Misbehaved`.
        """
        return self._listener.receive(data, now)

    def tick(self, now: float) -> list[Event | Effect]:
        """Do what is due by now: proposals lapse, or are sent again, as are answers that were refused."""
        return self._listener.tick(now)

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to do, in Unix seconds."""
        state = self._state
        due = (state.proposals.next_expiry(), self._listener.next_resend(), state.repeats.next_at())
        return min((at for at in due if at is not None), default=None)

    def disconnected(self, error: ConnectionLost) -> list[Event | Effect]:
        """
        End all calls with `error`, and forget what others asked.

        Own pending proposals are withdrawn after the next welcome: nobody
        waits for them, and one who approved them would act for nobody.
        """
        steps: list[Event | Effect] = []
        for call in self._state.calls:
            if call.stage is Stage.PROPOSED and call.proposal_id is not None:
                self._state.given_up[call.proposal_id] = call.kind.with_family(PROPOSAL)
            steps.append(self._state.calls.end(call, error))
        steps += [CancelServing(request_id, "connection lost") for request_id in self._state.serving]
        self._state.serving.clear()
        self._state.repeats.forget()
        return steps

    # What is answered and given up

    def respond(self, request_id: str, result: JsonObject, now: float) -> Said | None:
        """
        Answer a request; `None`: nobody waits for the answer any more.

        Raises:
            TypeError: JSON cannot say `result`; the request is still to be answered.
        """
        request = self._state.serving.get(request_id)
        if request is None:
            return None
        said = self.speak.respond(request, result, now)
        del self._state.serving[request_id]
        return said

    def respond_error(
        self, request_id: str, code: int, message: str, now: float, data: object = None
    ) -> Said | None:
        """
        Answer a request with a JSON-RPC error; `None`: nobody waits for the answer any more.

        Raises:
            TypeError: JSON cannot say `data`; the request is still to be answered.
        """
        request = self._state.serving.get(request_id)
        if request is None:
            return None
        said = self.speak.respond_error(request, code, message, now, data)
        del self._state.serving[request_id]
        return said

    def ignore(self, request_id: str) -> None:
        """Leave a request to others who were asked, or to another connection of this participant."""
        self._state.serving.pop(request_id, None)

    def notify_about(
        self, request_id: str, method: str, params: JsonObject | None, now: float
    ) -> Said | None:
        """
        Send a notification that belongs to a request, to all whom its answer concerns.

        `None`: nobody waits for the answer any more.

        Raises:
            NotAllowed: no capability grants it.
        """
        request = self._state.serving.get(request_id)
        if request is None:
            return None
        return self.speak.notify(request.reply_to, method, params, now, correlation_id=request_id)

    def give_up(self, call_id: str, reason: WithdrawReason, now: float) -> list[Said]:
        """End a call whose caller does not wait any more, and return what tells the others so."""
        call = self._state.calls.get(call_id)
        if call is None:
            return []
        said = self.speak.give_up(call, reason, now)
        self._state.calls.end(call, ConnectionLost("given up"))
        return said

    @property
    def calls_pending(self) -> tuple[str, ...]:
        """Ids of the calls that are not over."""
        return tuple(call.id for call in self._state.calls)
