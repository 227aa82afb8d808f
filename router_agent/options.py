"""Options by which a strategy and its models are chosen, the same for every command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from router_agent.opening import StrategyName

StrategyOption = Annotated[
    StrategyName | None,
    typer.Option(
        "--strategy",
        envvar="MCPX_ROUTER_STRATEGY",
        help="How a tool is chosen; else cascade with a model, monolithic without.",
    ),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="FILE.gguf",
        envvar="MCPX_ROUTER_MODEL",
        exists=True,
        dir_okay=False,
        help="A function-calling model for what the encoder is unsure of.",
    ),
]
AdapterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--adapter",
        metavar="DOMAIN=FILE",
        envvar="MCPX_ROUTER_ADAPTERS",
        help="A LoRA adapter of the model for the tools of one participant; may be given several times.",
    ),
]


def adapters_of(said: Sequence[str] | None) -> dict[str, Path]:
    """
    Read `DOMAIN=FILE` options; a domain is the id of the participant whose tools it is.

    Raises:
        BadParameter: one is none, names a file that is not there, or a domain twice.
    """
    adapters: dict[str, Path] = {}
    for one in said or ():
        domain, _, file = one.partition("=")
        if not domain or not file:
            raise typer.BadParameter(f"'{one}' is not DOMAIN=FILE, such as weather=weather-lora.gguf")
        if domain in adapters:
            raise typer.BadParameter(f"'{domain}' has two adapters; merge them with mcpx-router merge")
        if not Path(file).is_file():
            raise typer.BadParameter(f"There is no adapter file '{file}' for '{domain}'")
        adapters[domain] = Path(file)
    return adapters
