"""
What can go wrong for a router.

    McpxError
      RouterError
        CasesRefused       a file of cases cannot be used
        ModelUnavailable   a model cannot be loaded, or gave up
        DemoUnavailable    something that the demonstration needs is not installed
        StrategyRefused    a strategy cannot work with the models that were named for it
        DoorUnavailable    HTTP cannot be served where it was wanted
        IntentRefused      an intent is not taken: too long, too many, not now
"""

from __future__ import annotations

from pathlib import Path

from schemas import McpxError


class RouterError(McpxError):
    """The root of what this room raises."""


class CasesRefused(RouterError):
    """A file of cases cannot be used."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(path, line, why)
        self.path, self.line, self.why = path, line, why

    def __str__(self) -> str:
        where = f", line {self.line}" if self.line else ""
        return f"{self.path}{where}: {self.why}"


class ModelUnavailable(RouterError):
    """A model cannot be loaded, or gave up; the router goes on without it."""

    def __init__(self, model: str, why: str) -> None:
        super().__init__(model, why)
        self.model, self.why = model, why

    def __str__(self) -> str:
        return f"{self.model} cannot be used: {self.why}"


class StrategyRefused(RouterError):
    """A strategy cannot work with the models that were named for it."""

    def __init__(self, strategy: str, why: str) -> None:
        super().__init__(strategy, why)
        self.strategy, self.why = strategy, why

    def __str__(self) -> str:
        return f"The strategy {self.strategy} {self.why}"


class DoorUnavailable(RouterError):
    """HTTP cannot be served where it was wanted."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(host, port, why)
        self.host, self.port, self.why = host, port, why

    def __str__(self) -> str:
        return f"Nothing can listen on {self.host}, port {self.port}: {self.why}"


class DemoUnavailable(RouterError):
    """Something that the demonstration needs is not installed."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"The demonstration cannot be played: {self.why}"


class IntentRefused(RouterError):
    """An intent is not taken; `code` says why in one word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return self.message
