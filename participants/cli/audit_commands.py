"""`mcpx audit verify`: whether an audit log is as it was written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Look after the audit log.")


@app.callback()
def audit() -> None:
    """Look after the audit log."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The log: `audit.jsonl` in the state directory.")],
) -> None:
    """
    Check the chain of an audit log: whether a line was changed, removed or put in.

    Exit status 1: it was, and the output says where.

    [bold]Examples[/bold]

      mcpx audit verify ~/.local/state/mcpx/audit.jsonl
    """
    # The gateway writes the log and knows its form; this command only meets it as a process.
    done = subprocess.run([sys.executable, "-P", "-m", "gateway.audit", "verify", str(file)], check=False)
    raise typer.Exit(done.returncode)
