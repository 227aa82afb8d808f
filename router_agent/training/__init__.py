"""
Makes the router's encoder: data, training, export.

`generate` and the converters make routing cases, `Case`; `write_cases` and `read_cases`
keep them as lines of JSON. What needs torch is imported only by the commands that use it.
"""

from router_agent.training.cases import Case, call, read_cases, write_cases
from router_agent.training.generator import generate

__all__ = ["Case", "call", "generate", "read_cases", "write_cases"]
