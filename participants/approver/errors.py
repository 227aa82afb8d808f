"""
What can go wrong with rules.

    McpxError
      ParticipantError
        RuleRefused        it cannot be a rule, or its author may not make it
        RulesUnreadable    what is stored is no list of rules
        RulesNotKept       the store failed, or hangs
"""

from __future__ import annotations

from participants.errors import ParticipantError


class RuleRefused(ParticipantError):
    """It cannot be a rule, or its author may not make it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return self.why


class RulesUnreadable(ParticipantError):
    """What is stored is no list of rules; nothing is decided by it."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(where, why)
        self.where, self.why = where, why

    def __str__(self) -> str:
        return f"The rules in {self.where} cannot be read: {self.why}"


class RulesNotKept(ParticipantError):
    """The store failed, or hangs: nothing is allowed on the strength of what may be forgotten."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"The rules could not be kept: {self.why}"
