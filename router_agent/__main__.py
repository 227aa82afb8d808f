"""`python -m router_agent`: the same as `mcpx router`."""

from __future__ import annotations

import typer

from router_agent.command import router

if __name__ == "__main__":
    typer.run(router)
