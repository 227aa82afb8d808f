"""
What goes wrong on the operator's side.

    McpxError
      GatewayError
        SettingsError        the gateway does not start (exit 78)
        BrokerUnavailable    the store does not answer
        AuditUnavailable     an admin's act cannot be written down, so it is not done
"""

from __future__ import annotations

from schemas import McpxError


class GatewayError(McpxError):
    """The branch of the gateway's own errors."""


class SettingsError(GatewayError):
    """A setting is unknown, missing or wrong; the gateway refuses to start."""

    def __init__(self, setting: str, why: str) -> None:
        super().__init__(setting, why)
        self.setting, self.why = setting, why

    def __str__(self) -> str:
        return f"{self.setting}: {self.why}"


class BrokerUnavailable(GatewayError):
    """The store that holds topics and rights does not answer."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the broker does not answer: {self.why}"


class AuditUnavailable(GatewayError):
    """The audit log cannot be read or written, so what should be in it is not done."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the audit log cannot be used: {self.why}"
