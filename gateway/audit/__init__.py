"""What admins did, in a file that shows whether it was altered."""

from gateway.audit.chain import Act, AuditedAct, Outcome, Verification, without_tokens
from gateway.audit.log import AuditLog, verify
from gateway.audit.reading import Page

__all__ = ["Act", "AuditLog", "AuditedAct", "Outcome", "Page", "Verification", "verify", "without_tokens"]
