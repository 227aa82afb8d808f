"""What tools say of themselves, so that clients know which ones to be careful with."""

from __future__ import annotations

from typing import Final

from mcp.types import ToolAnnotations

READS: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
ADDS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
"""It changes something, and nothing that was there before is lost."""
DESTROYS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)
"""What was there before may be lost: somebody should look at the call first."""
SENDS: Final = ADDS.model_copy(update={"open_world_hint": True})
"""It reaches somebody elsewhere, who cannot be made to forget it."""
RUNS: Final = DESTROYS.model_copy(update={"open_world_hint": True})
"""It does whatever somebody else wrote."""
