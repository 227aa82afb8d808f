"""Random histories of a topic in which some lie: everybody comes to the same end, and nothing runs twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from participants.conversation import (
    CallSettled,
    FulfillmentSeen,
    How,
    Outcome,
    RejectSeen,
    Way,
    WithdrawSeen,
)
from tests.participants.conversation_topic import Member, TopicInMemory
from tests.requirements import spec

NAMES = ("agent", "ann", "bob", "files", "mallory")
CAPABILITIES = {
    "agent": ("mcp/proposal:*",),
    "ann": ("mcp/*",),
    "bob": ("mcp/request:*",),
    "files": ("mcp/response:*",),
    "mallory": ("mcp/proposal:*", "mcp/response:*", "mcp/request:*", "mcp/reject:*", "mcp/withdraw:*"),
}

names = st.sampled_from(NAMES)
tools = st.sampled_from(["write", "read"])
targets = st.sampled_from([(), ("files",), ("ann",), ("files", "ann")])
proposals = st.integers(0, 3)
actions = st.one_of(
    st.tuples(st.just("propose"), st.sampled_from(["agent", "mallory"]), tools, targets),
    st.tuples(st.just("fulfill"), names, proposals, tools, targets),
    st.tuples(st.sampled_from(["reject", "withdraw"]), names, proposals, tools),
    st.tuples(st.just("respond"), names, proposals, targets),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0])),
    st.tuples(st.just("rejoin"), st.sampled_from(["bob", "ann"])),
    st.tuples(st.just("resend"), proposals),
)


class History:
    """Plays actions in a topic and keeps what was proposed."""

    def __init__(self) -> None:
        self.topic = TopicInMemory()
        for name in NAMES:
            self.topic.join(name, *CAPABILITIES[name])
        self.proposed: list[tuple[Member, Any]] = []
        self.rpc_id = 1000

    def play(self, action: tuple[Any, ...]) -> None:
        what, *rest = action
        getattr(self, what)(*rest)

    def propose(self, by: str, tool: str, to: tuple[str, ...]) -> None:
        member = self.topic.members[by]
        target = to[0] if len(to) == 1 else None
        said = member.ask(target, "tools/call", {"name": tool}, way=Way.PROPOSE, expires_in=5.0)
        self.proposed.append((member, said))

    def proposal_id(self, index: int) -> str:
        return self.proposed[index][1].id if index < len(self.proposed) else "unknown"

    def fulfill(self, by: str, index: int, tool: str, to: tuple[str, ...]) -> None:
        self.rpc_id += 1
        payload = {"jsonrpc": "2.0", "id": self.rpc_id, "method": "tools/call", "params": {"name": tool}}
        kind = f"mcp/request:tools/call:{tool}"
        self.topic.members[by].forge(kind, payload, to=to, correlation_id=self.proposal_id(index))

    def reject(self, by: str, index: int, tool: str) -> None:
        kind = f"mcp/reject:tools/call:{tool}"
        self.topic.members[by].forge(kind, {"reason": "denied"}, correlation_id=self.proposal_id(index))

    def withdraw(self, by: str, index: int, tool: str) -> None:
        kind = f"mcp/withdraw:tools/call:{tool}"
        self.topic.members[by].forge(kind, {"reason": "timeout"}, correlation_id=self.proposal_id(index))

    def respond(self, by: str, index: int, to: tuple[str, ...]) -> None:
        """Answer the latest request that anybody serves, whether or not it was this one's to answer."""
        member = self.topic.members[by]
        served = [request for other in self.topic.members.values() for request in other.served]
        if served:
            request = served[index % len(served)]
            payload = {"jsonrpc": "2.0", "id": request.rpc_id, "result": {"by": by}}
            kind = str(request.kind.with_family("mcp/response"))
            member.forge(kind, payload, to=to or (request.sender,), correlation_id=request.id)

    def wait(self, seconds: float) -> None:
        self.topic.wait(seconds)

    def rejoin(self, name: str) -> None:
        self.topic.leave(self.topic.members[name])
        self.topic.join(name, *CAPABILITIES[name])

    def resend(self, index: int) -> None:
        if index < len(self.proposed):
            self.topic.publish(*self.proposed[index])


def endings(member: Member) -> list[tuple[str | None, How, str]]:
    """What settled which proposal, as one member saw it."""
    seen = []
    for step in member.steps:
        if isinstance(step, FulfillmentSeen | RejectSeen | WithdrawSeen) and step.effective:
            how = {FulfillmentSeen: How.FULFILLED, RejectSeen: How.REJECTED, WithdrawSeen: How.WITHDRAWN}
            seen.append((step.correlation_id, how[type(step)], step.id))
    return seen


@spec("mcpx proposals once", "mcpx proposals else counted")
@settings(max_examples=300)
@given(st.lists(actions, max_size=25))
def test_everybody_comes_to_the_same_end_and_nothing_runs_twice(history: list[tuple[Any, ...]]) -> None:
    play = History()
    stayed = [play.topic.members[name] for name in ("agent", "files", "mallory")]
    for action in [("propose", "agent", "write", ("files",)), *history]:
        play.play(action)

    for member in stayed[1:]:
        assert endings(member) == endings(stayed[0])
    settled = Counter(proposal for proposal, _, _ in endings(stayed[0]))
    assert not settled or max(settled.values()) == 1

    fulfillments = {id for _, how, id in endings(stayed[0]) if how is How.FULFILLED}
    proposals = {said.id for _, said in play.proposed}
    for member in stayed:
        ran = [request for request in member.served if request.proposal is not None]
        assert {request.id for request in ran} <= fulfillments
        assert len({request.proposal.id for request in ran if request.proposal}) == len(ran)
        late = {step.id for step in member.all(FulfillmentSeen) if not step.effective}
        assert late.isdisjoint(request.id for request in member.served)

    for proposer, said in play.proposed:
        end = proposer.end_of(said)
        if isinstance(end, Outcome):
            assert end.fulfilled_by not in {None, proposer.id}
            assert end.by == end.result["by"], "who answered is who was asked"
            assert end.request_id in fulfillments
    assert proposals >= {proposal for proposal in settled if proposal is not None}


@spec("mcpx proposals bystander response")
@settings(max_examples=200)
@given(
    kind=st.sampled_from(
        ["mcp/response:tools/call:write", "mcp/response:tools/call", "mcp/response:tools/list"]
    ),
    rpc_id=st.sampled_from([1, 2, "1", 1000]),
    to=st.sampled_from([("ann",), (), ("ann", "agent"), ("mallory",)]),
    error=st.booleans(),
)
def test_whatever_a_bystander_says_no_call_ends(
    kind: str, rpc_id: int | str, to: tuple[str, ...], *, error: bool
) -> None:
    topic = TopicInMemory()
    ann = topic.join("ann", "mcp/*")
    topic.join("files", "mcp/response:*")
    mallory = topic.join("mallory", "mcp/response:*")
    call = ann.call("files", "write")
    answer: dict[str, Any] = {"error": {"code": 1, "message": "no"}} if error else {"result": {}}

    mallory.forge(kind, {"jsonrpc": "2.0", "id": rpc_id, **answer}, to=to, correlation_id=call.id)

    assert ann.all(CallSettled) == []
    assert dict(ann.conversation.misbehaviour) == {"mallory": 1}
