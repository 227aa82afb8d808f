"""The `mcpx` command: start, join, approve, promote, and find out what is wrong."""

from participants.cli.app import COMMANDS_GROUP, main
from participants.cli.errors import CommandError, ExitCode, UsageRefused

__all__ = ["COMMANDS_GROUP", "CommandError", "ExitCode", "UsageRefused", "main"]
