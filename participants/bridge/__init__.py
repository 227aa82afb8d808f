"""A stdio MCP server as a participant: `mcpx bridge -- COMMAND…`."""

from participants.bridge.backoff import Backoff
from participants.bridge.bridge import Bridge
from participants.bridge.child import ChildCommand
from participants.bridge.environment import child_environment
from participants.bridge.errors import BridgeError, ChildNotMet, ChildNotStarted
from participants.bridge.run import run_bridge

__all__ = [
    "Backoff",
    "Bridge",
    "BridgeError",
    "ChildCommand",
    "ChildNotMet",
    "ChildNotStarted",
    "child_environment",
    "run_bridge",
]
