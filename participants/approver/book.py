"""All rules of one approver, with what became of them: a value that changes by whole steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import UnionType
from typing import Any, Final

from participants.approver.errors import RuleRefused
from participants.approver.rules import Asked, Effect, Rule, Verdict, decide, fault_of_rule

MOST_RULES: Final = 2_000


@dataclass
class Counts:
    """How many proposals met which verdict."""

    allowed: int = 0
    denied: int = 0
    asked: int = 0
    failed: int = 0
    """Allowed, but it could not be carried out, or somebody else was first."""


@dataclass
class RuleBook:
    """Rules by id, in the order in which they were made."""

    rules: dict[str, Rule] = field(default_factory=dict[str, Rule])
    counts: Counts = field(default_factory=Counts)
    last_id: int = 0

    def add(self, rule: Rule, now: float) -> Rule:
        """
        Make a rule, under the next id; ids are never used twice.

        Raises:
            RuleRefused: it cannot be one, or there are too many.
        """
        fault = fault_of_rule(rule, now)
        if fault is not None:
            raise RuleRefused(f"This cannot be a rule: {fault}")
        self.forget_old(now)
        if len(self.rules) >= MOST_RULES:
            raise RuleRefused(f"There are {MOST_RULES} rules already; remove some")
        self.last_id += 1
        made = replace(rule, id=f"r{self.last_id}", uses=0)
        self.rules[made.id] = made
        return made

    def remove(self, rule_id: str) -> bool:
        """Take a rule away; whether there was one."""
        return self.rules.pop(rule_id, None) is not None

    def decide(self, asked: Asked, now: float) -> Verdict:
        """Judge a proposal; nothing is counted."""
        return decide(self.rules.values(), asked, now)

    def use(self, verdict: Verdict) -> None:
        """Count one verdict that is acted on, and one use of its rule."""
        match verdict.effect:
            case Effect.ALLOW:
                self.counts.allowed += 1
            case Effect.DENY:
                self.counts.denied += 1
            case Effect.ASK:
                self.counts.asked += 1
                return
        rule = self.rules.get(verdict.rule_id or "")
        if rule is not None:
            self.rules[rule.id] = replace(rule, uses=rule.uses + 1)

    def forget_old(self, now: float) -> None:
        """Drop rules that mean nothing any more."""
        self.rules = {id: rule for id, rule in self.rules.items() if rule.is_live(now)}

    def copy(self) -> RuleBook:
        """The book as it is now."""
        return RuleBook(dict(self.rules), replace(self.counts), self.last_id)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules.values())

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            "rules": [rule_as_json(rule) for rule in self],
            "counts": asdict(self.counts),
            "last_id": self.last_id,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> RuleBook:
        """
        Read what `as_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is no book of rules.
        """
        rules = [_rule_from_json(one) for one in said["rules"]]
        return cls({rule.id: rule for rule in rules}, Counts(**said["counts"]), int(said["last_id"]))


def rule_as_json(rule: Rule) -> dict[str, Any]:
    """Return a rule as JSON."""
    return {**asdict(rule), "effect": str(rule.effect)}


def _rule_from_json(said: Mapping[str, Any]) -> Rule:
    """Read a rule, and take no wider one from a file than from a call."""
    fields: dict[str, Any] = {**said, "effect": Effect(said["effect"])}
    rule = Rule(**fields)
    _check_types((rule.id, rule.proposer, rule.target, rule.method, rule.author, rule.note), str)
    _check_types((rule.context or "", rule.fingerprint or "", rule.asker or ""), str)
    _check_types((rule.expires_at, rule.max_uses, rule.uses), int | float)
    _check_types((rule.constraint or {},), dict)
    # Judged as of its last second: that it has ended since is no fault.
    fault = fault_of_rule(rule, rule.expires_at - 1)
    if fault is not None:
        raise ValueError(f"{rule.id} cannot be a rule: {fault}")
    return rule


def _check_types(values: Sequence[object], kind: type | UnionType) -> None:
    for value in values:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"a rule holds {type(value).__name__} where it holds something else")
