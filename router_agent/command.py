"""`mcpx router`: the router as one participant of a topic, and over HTTP if wanted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from participants import Approver, Participant, RuleFile
from router_agent.errors import RouterError
from router_agent.opening import StrategyName
from router_agent.options import AdapterOption, ModelOption, StrategyOption, adapters_of
from router_agent.thinking import Thinker


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one router is started with."""

    url: str
    topic: str
    token: str
    encoder: str
    strategy: StrategyName | None
    model: Path | None
    adapters: Mapping[str, Path]
    rules: Path | None
    http_host: str
    http_port: int | None
    http_allowed_hosts: tuple[str, ...]
    models: Path | None
    act: float
    propose: float


def router(
    topic: Annotated[str, typer.Option("--topic", "-t", envvar="MCPX_TOPIC", help="The topic.")],
    url: Annotated[
        str, typer.Option("--url", envvar="MCPX_URL", help="The gateway.")
    ] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", metavar="FILE|-", help="Read the token from a file, else MCPX_TOKEN is used."
        ),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder",
            metavar="auto|none|FILE",
            envvar="MCPX_ROUTER_ENCODER",
            help="The encoder that ships, none, or this.",
        ),
    ] = "auto",
    strategy: StrategyOption = None,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            metavar="FILE.json",
            envvar="MCPX_ROUTER_RULES",
            help="Fulfill proposals by the rules in this file.",
        ),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(
            "--http-port",
            envvar="MCPX_ROUTER_HTTP_PORT",
            help="Serve /v2/execute and /v2/stream; 0 finds a free port.",
        ),
    ] = None,
    http_host: Annotated[
        str, typer.Option("--http-host", envvar="MCPX_ROUTER_HTTP_HOST", help="Where to listen.")
    ] = "127.0.0.1",
    http_allowed_hosts: Annotated[
        str,
        typer.Option(
            "--http-allowed-hosts",
            metavar="NAME,…",
            envvar="MCPX_ROUTER_HTTP_ALLOWED_HOSTS",
            help="Further names under which it is reached.",
        ),
    ] = "",
    models: Annotated[
        Path | None,
        typer.Option(
            "--models",
            metavar="FILE.toml",
            envvar="MCPX_ROUTER_MODELS",
            exists=True,
            dir_okay=False,
            help="Reasoning models for /v2/stream, by name.",
        ),
    ] = None,
    act: Annotated[
        float, typer.Option(min=0, max=1, envvar="MCPX_ROUTER_ACT", help="How sure to be to act.")
    ] = 0.6,
    propose: Annotated[
        float, typer.Option(min=0, max=1, envvar="MCPX_ROUTER_PROPOSE", help="How sure to be to propose.")
    ] = 0.25,
) -> None:
    """
    Turn plain words into calls of the tools that a topic's members offer.

    Write [TOOL: what you want] in chat, or call its tools route_intent and execute_intent. It requests
    what both it and you may, and proposes the rest in your name.

    [bold]Examples[/bold]

      mcpx router --topic ops --token-file router.token
      mcpx router --topic ops --token-file router.token --model functiongemma.gguf --http-port 3000
      mcpx router --topic ops --strategy experts --model functiongemma.gguf --adapter git=git.gguf
    """
    wanted = Wanted(
        url=url,
        topic=topic,
        token=_token(token_file),
        encoder=encoder,
        strategy=strategy,
        model=model,
        adapters=adapters_of(adapter),
        rules=rules,
        http_host=http_host,
        http_port=http_port,
        http_allowed_hosts=tuple(name for one in http_allowed_hosts.split(",") if (name := one.strip())),
        models=models,
        act=act,
        propose=propose,
    )
    try:
        raise typer.Exit(asyncio.run(_until_told(wanted)))
    except RouterError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


def _token(file: Path | None) -> str:
    """Read the token from a file, from a line of standard input (`-`), or from the environment."""
    try:
        if file is None:
            token = os.environ.get("MCPX_TOKEN", "")
        else:
            token = sys.stdin.readline() if str(file) == "-" else file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no ASCII text"
        raise typer.BadParameter(f"The token cannot be read from {file}: {why}") from None
    if not token.strip():
        raise typer.BadParameter("There is no token: name one with --token-file, or set MCPX_TOKEN")
    return token.strip()


async def _until_told(wanted: Wanted) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(run_router(wanted))
    told: list[int] = []

    def tell(code: int) -> None:
        told.append(code)
        task.cancel()

    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 0)):
        loop.add_signal_handler(number, tell, code)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
    return told[0] if told else 0


async def run_router(wanted: Wanted) -> None:
    """
    Take part until the connection ends for good, or the task is cancelled.

    Raises:
        RouterError: a model, a file or a port that was named cannot be used.
        HandshakeRefused: the gateway does not let this token in.
    """
    from router_agent.agent import RouterAgent
    from router_agent.configuring import read_models
    from router_agent.core import Policy
    from router_agent.door import listen, serve
    from router_agent.opening import encoder_named, open_router

    models = read_models(wanted.models) if wanted.models else {}
    reader = encoder_named(wanted.encoder)
    policy = Policy(act=wanted.act, propose=wanted.propose)
    thinker = Thinker(
        open_router(
            encoder=reader,
            policy=policy,
            model=wanted.model,
            adapters=wanted.adapters,
            strategy=wanted.strategy,
        ),
        encoder=reader,
    )
    me = Participant.connect(wanted.url, wanted.topic, wanted.token)
    approver = Approver(me, RuleFile(wanted.rules), clock=time.time) if wanted.rules else None
    agent = RouterAgent(me, thinker, approver=approver)
    listening = listen(wanted.http_host, wanted.http_port) if wanted.http_port is not None else None
    try:
        async with me:
            how = "with the encoder" if reader is not None else "by words and rules alone"
            typer.echo(f"{me.id} routes intents in {me.topic}, {how}. Ctrl-C ends it.", err=True)
            async with asyncio.TaskGroup() as group:
                hosts = (wanted.http_host, *wanted.http_allowed_hosts)
                serving = (
                    group.create_task(serve(listening, wanted.url, thinker, models, hosts))
                    if listening is not None
                    else None
                )
                await agent.run()
                if serving is not None:
                    serving.cancel()
    finally:
        thinker.close()
        if listening is not None:
            listening.close()
