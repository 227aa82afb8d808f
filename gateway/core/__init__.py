"""One topic's rules, without any I/O: envelopes and entries in, effects out."""

from gateway.core.authorize import authorize, judge
from gateway.core.effects import Close, Deliver, Draft, Effect, Refuse, Verdict, Welcome, token_subject
from gateway.core.entries import Amended, ConnectionRecord, Ended, Entry, Gone, Joined, Left, Relayed
from gateway.core.limits import Bucket, Rate, RefusalStreak
from gateway.core.members import Member, Mode, Outbox
from gateway.core.roster import Roster
from gateway.core.system import refusal, timestamp
from gateway.core.topic import Snapshot, Topic

__all__ = [
    "Amended",
    "Bucket",
    "Close",
    "ConnectionRecord",
    "Deliver",
    "Draft",
    "Effect",
    "Ended",
    "Entry",
    "Gone",
    "Joined",
    "Left",
    "Member",
    "Mode",
    "Outbox",
    "Rate",
    "RefusalStreak",
    "Refuse",
    "Relayed",
    "Roster",
    "Snapshot",
    "Topic",
    "Verdict",
    "Welcome",
    "authorize",
    "judge",
    "refusal",
    "timestamp",
    "token_subject",
]
