"""
The `mcpx` command, put together: its own commands, and those that other rooms add.

A room adds a command by an entry point in the group `mcpx.commands`: a
`typer.Typer` becomes a group of commands, a function becomes one command, under
the entry point's name. One that cannot be loaded is left out, with a word on
standard error, and spoils nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Final

import typer

from participants.cli import (
    admin_commands,
    audit_commands,
    bridge_command,
    decide_commands,
    doctor_command,
    invite_command,
    join_command,
    run_command,
    send_command,
    token_commands,
    version_command,
)
from participants.cli.console import say
from participants.cli.credentials import refuse_secret_arguments
from participants.cli.errors import CommandError, ExitCode
from participants.cli.outcomes import explain_failure
from schemas import McpxError

COMMANDS_GROUP: Final = "mcpx.commands"
"""Entry-point group by which other rooms add commands."""

_HELP: Final = """
Rooms in which AI agents, tools and people work together over MCP.

[bold]Examples[/bold]

  mcpx run                                  see it work, on this machine alone
  mcpx invite ann --topic ops               a link for a person's browser
  mcpx join --topic ops                     take part from this terminal
  mcpx bridge --topic ops -- COMMAND…       bring an MCP server in
  mcpx promote agent-a --add chat --reason "earned it"
  mcpx doctor                               find out what is wrong

Tokens come from --token-file, MCPX_TOKEN or standard input, never from the command line.
Exit status: 0 done, 1 failed, 2 usage, 3 refused by a rule, 4 unreachable, 130 Ctrl-C.
"""


def _version(asked: bool) -> None:
    if asked:
        version_command.print_version(as_json=False)
        raise typer.Exit


def _root(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Nothing of its own; the commands do the work."""


def build_app(extra: Sequence[EntryPoint] | None = None) -> typer.Typer:
    """Return the whole command; `extra` stands for the installed entry points."""
    app = typer.Typer(
        name="mcpx",
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    app.command("run")(run_command.run)
    app.command("join")(join_command.join)
    app.command("send")(send_command.send)
    app.command("approve")(decide_commands.approve)
    app.command("reject")(decide_commands.reject)
    app.command("bridge")(bridge_command.bridge)
    app.command("invite")(invite_command.invite)
    app.command("promote")(admin_commands.promote)
    app.command("revoke")(admin_commands.revoke)
    app.add_typer(token_commands.app, name="token")
    app.add_typer(audit_commands.app, name="audit")
    app.command("doctor")(doctor_command.doctor)
    app.command("version")(version_command.version)
    for entry in entry_points(group=COMMANDS_GROUP) if extra is None else extra:
        _add(app, entry)
    return app


def _add(app: typer.Typer, entry: EntryPoint) -> None:
    try:
        addition = entry.load()
    except Exception as error:  # noqa: BLE001 - another room's fault must not take `mcpx` down
        say((f"The command '{entry.name}' is left out: {type(error).__name__}: {error}", "yellow"))
        return
    if isinstance(addition, typer.Typer):
        app.add_typer(addition, name=entry.name)
    else:
        app.command(entry.name)(addition)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run `mcpx` and return its exit status; `arguments` are those of the process by default.

    Every error by name is told as what, why and what to do. Anything else is a
    fault of this program and keeps its traceback.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        refuse_secret_arguments(given)
        build_app()(args=given, prog_name="mcpx")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except McpxError as error:
        return tell(explain_failure(error))
    return ExitCode.OK


def tell(error: CommandError) -> int:
    """Tell the person what went wrong and return the exit status."""
    say((f"Error: {error.what}", "bold red"))
    if error.why:
        say(("  Why: ", "dim"), error.why)
    if error.do:
        say(("  Do:  ", "dim"), error.do)
    sys.stderr.flush()
    return error.code
