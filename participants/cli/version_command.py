"""`mcpx version`: what is installed."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Annotated, Final

import typer

from participants.cli.console import put, put_json
from schemas import PROTOCOL

DISTRIBUTION: Final = "mcpx-gateway"


def package_version(name: str) -> str | None:
    """The installed version of a distribution; `None`: it is not installed."""
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return None


def print_version(*, as_json: bool) -> None:
    """Write what is installed to standard output."""
    facts = {
        "mcpx": package_version(DISTRIBUTION) or "not installed",
        "protocol": PROTOCOL,
        "python": platform.python_version(),
        "mcp": package_version("mcp"),
    }
    if as_json:
        put_json(facts)
    else:
        put(f"mcpx {facts['mcpx']} (protocol {PROTOCOL}, MCP SDK {facts['mcp']}, Python {facts['python']})")


def version(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Print the versions of mcpx, its protocol and the MCP SDK."""
    print_version(as_json=as_json)
