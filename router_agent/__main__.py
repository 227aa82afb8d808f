"""`python -m router_agent`: the same as `mcpx router`."""

from __future__ import annotations

import sys

import typer

from router_agent.command import router
from schemas import McpxError

if __name__ == "__main__":
    try:
        typer.run(router)
    except McpxError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
