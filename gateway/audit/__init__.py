"""What admins did, in a file that shows whether it was altered."""

from gateway.audit.chain import Act, AuditedAct, Outcome, Verification, without_tokens
from gateway.audit.log import AuditLog, verify

__all__ = ["Act", "AuditLog", "AuditedAct", "Outcome", "Verification", "verify", "without_tokens"]
