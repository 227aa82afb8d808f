"""
What the demonstration changes: a folder of real files, kept as a Git repository.

The agent may draft in it (write a file, stage it) and may not commit: that is
what it has to ask for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from participants.cli.errors import CommandError

JOURNAL: Final = "journal.md"
_GIT_TIMEOUT_S: Final = 20.0

_README: Final = """# A workspace that an agent and you share

The demonstration agent drafts entries in `journal.md`. Committing them is
something that it may only propose: look into `git log` before and after you approve.
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A tool call to ask for, and a sentence that says what it is good for."""

    tool: str
    arguments: dict[str, Any]
    purpose: str


class Errand(Protocol):
    """What the demonstration agent wants to get done, once in each round."""

    tool: str
    """The tool that it needs."""

    def draft(self) -> Draft:
        """Prepare the round and return what to ask for; may wait for the disk."""
        ...


class CommitErrand:
    """Draft a journal entry, stage it, and ask for the commit (`git_commit` of `mcp-server-git`)."""

    tool = "git_commit"

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    def draft(self) -> Draft:
        journal = self._workspace / JOURNAL
        entries = journal.read_text(encoding="utf-8") if journal.exists() else "# Journal\n"
        count = entries.count("\n- ") + 1
        journal.write_text(
            f"{entries}\n- Entry {count}: drafted by the demonstration agent\n", encoding="utf-8"
        )
        git(self._workspace, "add", "--", JOURNAL)
        message = f"Add entry {count} to the journal"
        return Draft(
            self.tool,
            {"repo_path": str(self._workspace), "message": message},
            f"commit entry {count}, which I drafted in {JOURNAL}",
        )


class WriteErrand:
    """Ask for a file to be written (`write_file` of `@modelcontextprotocol/server-filesystem`)."""

    tool = "write_file"

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    def draft(self) -> Draft:
        count = len(list(self._workspace.glob("note-*.md"))) + 1
        path = self._workspace / f"note-{count}.md"
        content = f"# Note {count}\n\nWritten by the demonstration agent, with somebody's consent.\n"
        return Draft(self.tool, {"path": str(path), "content": content}, f"write {path.name}")


def prepare_repository(workspace: Path) -> Path:
    """
    Return the folder as a Git repository with at least one commit; what is there is kept.

    Raises:
        CommandError: there is no git, or the folder cannot be used.
    """
    try:
        workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (workspace / ".git").exists():
            git(workspace, "init", "--quiet", "--initial-branch=main")
            git(workspace, "config", "user.name", "mcpx demonstration")
            git(workspace, "config", "user.email", "demonstration@mcpx.invalid")
            (workspace / "README.md").write_text(_README, encoding="utf-8")
            git(workspace, "add", "--", "README.md")
            git(workspace, "commit", "--quiet", "--no-gpg-sign", "-m", "Begin")
    except OSError as error:
        raise CommandError(f"The workspace {workspace} cannot be made", why=str(error)) from error
    return workspace.resolve()


def git(workspace: Path, *arguments: str) -> str:
    """
    Run git in the workspace and return what it says.

    Hooks and the machine's settings stay out of it.

    Raises:
        CommandError: there is no git, or it refuses.
    """
    if shutil.which("git") is None:
        raise CommandError(
            "git is not installed",
            why="The demonstration keeps its workspace in it",
            do="Install git, then try again",
        )
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.hooksPath=/dev/null", *arguments],
            cwd=workspace,
            env=env,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except subprocess.SubprocessError as error:
        why = getattr(error, "stderr", None) or str(error)
        raise CommandError(f"git {arguments[0]} failed in {workspace}", why=why.strip()) from error
    return done.stdout
