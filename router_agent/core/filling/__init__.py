"""Gives each parameter of a tool the value that an intent has for it, and says where the intent has it."""

from router_agent.core.filling.filler import Evidence, Filled, fill
from router_agent.core.filling.grounding import grounds

__all__ = ["Evidence", "Filled", "fill", "grounds"]
