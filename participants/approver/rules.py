"""
Rules for proposals: who proposes what to whom, with which arguments, and whether that is fine.

Functions over values: no clock, no store, no topic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from participants.approver.constraints import fault_of, holds

ANY: Final = "*"
ASKER: Final = "mcpx.router/asker"
"""The member of a proposal's `_meta` that says in whose name it is made; its proposer's word, no more."""
DEFAULT_LIFETIME_S: Final = 30 * 86_400.0
LONGEST_LIFETIME_S: Final = 366 * 86_400.0
DEFAULT_USES: Final = 100
MOST_USES: Final = 100_000


class Effect(StrEnum):
    """What a rule does, and what becomes of a proposal."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"
    """A person decides; no rule can say so, only the want of one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule is held against: one proposal, as heard."""

    proposer: str
    """Who sent it, as the gateway checked; what the payload claims decides nothing."""
    target: str
    method: str
    context: str | None
    arguments: Any = field(hash=False)
    """Of a tool call; else all params."""
    fingerprint: str | None
    """Of the tool as its server describes it now; `None`: unknown."""
    asker: str | None = None
    """In whose name its proposer says that it is made; `None`: its own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. What allows names proposer, target and operation; only what denies may leave them open."""

    id: str
    effect: Effect
    proposer: str
    target: str
    method: str
    context: str | None
    """The tool; `None` or `"*"`: any."""
    expires_at: float
    """Unix seconds; from then on it means nothing."""
    max_uses: int
    uses: int = 0
    constraint: Mapping[str, Any] | None = field(default=None, hash=False)
    """A JSON Schema that the arguments must meet for the rule to speak of them."""
    fingerprint: str | None = None
    """Of the tool that was looked at when the rule was made; another one suspends what allows."""
    author: str = ""
    note: str = ""
    asker: str | None = None
    """In whose name: what allows a router allows it for one asker; `None`: its own, to deny anybody's."""

    def is_live(self, now: float) -> bool:
        """Whether it still means something; what denies does not wear out by use."""
        return now < self.expires_at and (self.effect is Effect.DENY or self.uses < self.max_uses)

    def speaks_of(self, asked: Asked) -> bool:
        """Whether it is about such a proposal, arguments included."""
        return (
            self.proposer in {ANY, asked.proposer}
            and self.target in {ANY, asked.target}
            and self.method in {ANY, asked.method}
            and self.context in {None, ANY, asked.context}
            and self._is_in_the_name_of(asked.asker)
            and (self.constraint is None or holds(self.constraint, asked.arguments))
        )

    def _is_in_the_name_of(self, asker: str | None) -> bool:
        # Else whoever may talk to a router would have done what one of them was allowed (T12).
        return self.asker == asker or (self.effect is Effect.DENY and self.asker in {None, ANY})

    def is_suspended(self, asked: Asked) -> bool:
        """Whether the tool is not the one that was looked at."""
        return (
            self.effect is Effect.ALLOW
            and self.fingerprint is not None
            and self.fingerprint != asked.fingerprint
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a proposal, and by which rule."""

    effect: Effect
    rule_id: str | None
    reason: str


def decide(rules: Iterable[Rule], asked: Asked, now: float) -> Verdict:
    """
    Judge one proposal at `now`, in Unix seconds: deny beats allow, and what no rule knows is asked.

    Of several rules that allow, the one that ends first is used up first.
    """
    about = [rule for rule in rules if rule.is_live(now) and rule.speaks_of(asked)]
    for rule in about:
        if rule.effect is Effect.DENY:
            return Verdict(Effect.DENY, rule.id, _told(rule, "denies it"))
    allowing = sorted(
        (rule for rule in about if rule.effect is Effect.ALLOW), key=lambda rule: (rule.expires_at, rule.id)
    )
    for rule in allowing:
        if not rule.is_suspended(asked):
            return Verdict(Effect.ALLOW, rule.id, _told(rule, "allows it"))
    if allowing:
        return Verdict(Effect.ASK, allowing[0].id, _told(allowing[0], "is suspended: the tool has changed"))
    return Verdict(Effect.ASK, None, "no rule knows it")


def fault_of_rule(rule: Rule, now: float) -> str | None:
    """Say why something cannot be a rule; `None` when it can."""
    if rule.effect is Effect.ASK:
        return "a rule allows or denies"
    if rule.effect is Effect.ALLOW:
        if ANY in {rule.proposer, rule.target, rule.method, rule.asker}:
            return "a rule that allows names its proposer, its target, its method and in whose name"
        if rule.method == "tools/call" and rule.context in {None, ANY}:
            return "a rule that allows tool calls names one tool"
        if rule.method == "tools/call" and rule.fingerprint is None:
            return "a rule that allows tool calls knows the tool as it was"
        if rule.proposer == rule.target:
            return "nobody needs leave to call themselves"
    if not now < rule.expires_at <= now + LONGEST_LIFETIME_S:
        return "a rule ends within a year, and not in the past"
    if not 1 <= rule.max_uses <= MOST_USES:
        return f"a rule is used 1 to {MOST_USES} times"
    if len(rule.note) > 500:
        return "a note has at most 500 characters"
    if rule.constraint is not None and (fault := fault_of(rule.constraint)):
        return f"its constraint is no JSON Schema: {fault}"
    return None


def _told(rule: Rule, what: str) -> str:
    by = f" (by {rule.author})" if rule.author else ""
    return f"rule {rule.id}{by} {what}"
