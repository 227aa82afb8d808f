"""Commands that pages and help texts show can be typed as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from participants.cli.app import COMMANDS_GROUP, build_app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def commands(group: TyperGroup, words: tuple[str, ...] = ("mcpx",)) -> Iterator[tuple[str, TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*words, name))
        elif isinstance(command, TyperCommand):
            yield " ".join((*words, name)), command


@pytest.fixture(scope="module")
def known() -> dict[str, TyperCommand]:
    router = EntryPoint("router", "router_agent.command:router", COMMANDS_GROUP)
    group = typer.main.get_command(build_app(extra=[router]))
    assert isinstance(group, TyperGroup)
    return dict(commands(group))


def shown(text: str) -> Iterator[str]:
    """Yield the command lines in a text: whole lines, and those between backticks."""
    for line in text.splitlines():
        yield from re.findall(r"(?<=`)mcpx [^`]+(?=`)", line)
        if re.match(r"\s*(\$ |[A-Z_]+=\S+ )*mcpx \w", line):
            yield line[line.index("mcpx ") :]


def faults(line: str, known: dict[str, TyperCommand]) -> list[str]:
    """What is wrong with one command line."""
    line = re.split(r"  +|\s[>|#]", line)[0].replace("…", "")
    words = shlex.split(line, comments=True)
    name = next((name for length in (3, 2) if (name := " ".join(words[:length])) in known), None)
    if name is None:
        return [f"{line!r}: there is no such command"]
    options = {option for parameter in known[name].params for option in parameter.opts} | {"-h", "--help"}
    own = words[: words.index("--")] if "--" in words else words
    return [f"{line!r}: no option {word}" for word in own if word.startswith("-") and word not in options]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_commands_that_exist(page: Path, known: dict[str, TyperCommand]) -> None:
    assert [fault for line in shown(page.read_text()) for fault in faults(line, known)] == []


def test_a_help_text_shows_commands_that_exist(known: dict[str, TyperCommand]) -> None:
    helps = {name: command.help or "" for name, command in known.items()}

    assert [fault for text in helps.values() for line in shown(text) for fault in faults(line, known)] == []


def test_a_command_that_does_not_exist_would_be_noticed(known: dict[str, TyperCommand]) -> None:
    assert faults("mcpx fly --high", known)
    assert faults("mcpx promote agent --give all", known)
