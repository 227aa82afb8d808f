"""Decides proposals by rules: a pure engine, a store, and a participant that acts on them."""

from participants.approver.approver import Approver, fingerprint_of
from participants.approver.book import Counts, RuleBook
from participants.approver.errors import RuleRefused, RulesNotKept, RulesUnreadable
from participants.approver.rules import ASKER, Asked, Effect, Rule, Verdict, decide, fault_of_rule
from participants.approver.store import MemoryRules, RuleFile, RuleStore

__all__ = [
    "ASKER",
    "Approver",
    "Asked",
    "Counts",
    "Effect",
    "MemoryRules",
    "Rule",
    "RuleBook",
    "RuleFile",
    "RuleRefused",
    "RuleStore",
    "RulesNotKept",
    "RulesUnreadable",
    "Verdict",
    "decide",
    "fault_of_rule",
    "fingerprint_of",
]
